"""The empty workbook template for organizations (R26)."""

from __future__ import annotations

from io import BytesIO

import openpyxl
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from orchestration.contracts.organizations import Organization


def write_template(organization: Organization) -> bytes:
    """Create an empty workbook for an organization, with a sheet that explains its columns."""
    workbook = openpyxl.Workbook()
    customers, notes = workbook.active, workbook.create_sheet("Instrucciones")
    customers.title = "Clientes"
    columns = _explain_columns(organization)
    customers.append([name for name, _, _ in columns])
    notes.append(["Columna", "Obligatoria", "Qué va en ella"])
    for position, (name, is_required, explanation) in enumerate(columns, start=1):
        notes.append([name, "sí" if is_required else "no", explanation])
        column = customers.column_dimensions[get_column_letter(position)]
        column.width, column.number_format = 32, "@"
    for text in (
        "Una fila por cliente, en la hoja Clientes. No cambie los nombres de las columnas.",
        "Puede agregar otras columnas: se guardan junto al cliente.",
        "Si sube de nuevo a un cliente, se actualiza: nunca queda repetido.",
    ):
        notes.append([text])
    for sheet in (customers, notes):
        sheet.freeze_panes = "A2"
        for cell in sheet[1]:
            cell.font = Font(bold=True)
    for letter, width in (("A", 24), ("B", 14), ("C", 90)):
        notes.column_dimensions[letter].width = width
    for cell in notes["C"]:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


def _explain_columns(organization: Organization) -> list[tuple[str, bool, str]]:
    if organization.customer_id_scheme == "rut":
        customer_id = ("RUT", True, "El RUT con su dígito verificador, por ejemplo 12.345.678-5.")
    else:
        customer_id = (
            "Identificador",
            True,
            "El identificador con que su organización conoce al cliente, tal como va en su archivo"
            " de deudas. La columna es de texto, para que Excel no borre los ceros iniciales.",
        )
    return [
        customer_id,
        ("Nombre", True, "El nombre del cliente."),
        ("Correo", False, "Una dirección de correo. Sin ella el cliente no recibe campañas."),
    ]
