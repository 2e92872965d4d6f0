"""Intake: which dates are due, and taking inboxes, uploads and decisions into loads.

To follow a file from an inbox into `raw`, read:

- `timing`, `arrivals`: whether a date is due, and whether anything has arrived;
- `loads`, `taking`: which load is next, and what it takes;
- `inbox`, `recognizing`, `settling`: which files of an inbox are new, ours and complete;
- `receiving`, `arriving`: their bytes, and what a broken transfer left;
- `uploads`, `decisions`: what people hand over instead;
- `loading`, `copying`: from the manifest and the landed bytes to `raw`.

Not here: reading rows (`formats`) and keeping bytes (`landing`).
"""
