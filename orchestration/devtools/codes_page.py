"""Generate the page of codes in the answers to organizations' files (R15, R16).

`python -m orchestration.devtools.codes_page` writes docs/codigos.md from the seed that the models
use.
"""

from __future__ import annotations

import csv
from pathlib import Path

from orchestration.installation.home import PROJECT

PAGE = PROJECT / "docs" / "codigos.md"
_SEED = PROJECT / "seeds" / "intake_codes.csv"
_PREFACE = """\
# Códigos de respuesta

Por cada archivo que una organización deja en su carpeta de entrada recibe, en la de salida, dos
respuestas con el mismo nombre: `.result.csv`, con cada fila rechazada, y `.summary.csv`, con las
cantidades y los montos, donde registros = aceptados + rechazados.

Una fila rechazada no detiene a las demás: las buenas se aplican. Una fila rechazada nunca elimina
una deuda: conserva todas las que coinciden con lo que se puede leer de ella, si se puede leer el
cliente o el producto. Si el archivo entero no se aplica, la base queda como estaba.

En los archivos que se envían, un texto que una planilla ejecutaría como fórmula (empieza con `=`,
`+`, `-`, `@`, tabulación o salto de línea) lleva un apóstrofo delante: `'=1+1`. Los montos no lo
llevan. En los archivos que se reciben, ese apóstrofo delante de un identificador no cuenta:
`'+56912345678` y `+56912345678` son el mismo.

En el archivo de pagos, un mismo número de pago puede venir en varias líneas: un pago puede pagar
varias deudas, y cada línea dice cuánto se pagó de una de ellas. Una línea `reversado` trae, en
negativo, lo que se devolvió desde el archivo anterior: todo el pago de esa deuda o solo una parte.
Mientras se haya devuelto solo una parte, la deuda sigue pagada y no se cobra de nuevo. Las líneas
`autorizado` y `reversado` de un pago y una deuda suman siempre lo recibido menos lo devuelto.

Un archivo sin la columna `status` trae las mismas líneas, salvo las que están en proceso: un monto
negativo es lo devuelto. Un monto 0 dice que la deuda quedó pagada sin dinero. Si eso se anula, no
hay otra línea de monto 0, que parecería otro pago.

En los archivos que enviamos, los montos llevan los decimales de su moneda: cuatro en UF (`CLF`),
dos en pesos. Un monto recibido con más decimales que su moneda se rechaza: nunca se redondea.
Tampoco se adivina un monto en UF con tres decimales (`2,534`), que podría ser de miles: escriba los
cuatro decimales (`2,5340`).

Una fila que no es una deuda, como `Total general` al pie de un informe, se rechaza con el código de
lo primero que le falta (el cliente o el producto) y se informa con su línea; las demás se aplican.

Un identificador con un cero decimal de más (`4512.0` o `4512,0` en vez de `4512`), como lo escriben
algunos programas, es `inexact_id`: escriba los identificadores como texto. Un identificador que es
solo `NULL`, `(null)`, `nan`, `NaN`, `None` o `<NA>` cuenta como vacío.

En el archivo de pagos propios de la organización, un monto negativo (`-1000` o `1000-`) anula lo
que ese archivo había pagado, por ejemplo un cheque protestado: la deuda se puede cobrar de nuevo.
Un guion detrás de un punto o una coma (`15.000.-`) no es un signo menos.
"""
_TITLES = {"row": "Por fila", "file": "Por archivo"}


def as_page(seed: Path = _SEED) -> str:
    """Return the page, in Spanish: one table of codes for rows and one for whole files."""
    with seed.open(encoding="utf-8", newline="") as source:
        codes = list(csv.DictReader(source))
    parts = [_PREFACE]
    for kind, title in _TITLES.items():
        lines = [f"## {title}", "", "| código | qué significa |", "| --- | --- |"]
        lines += [
            f"| `{each['code']}` | {each['message']} |"
            for each in codes
            if each["applies_to"] == kind
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(as_page(), encoding="utf-8")
