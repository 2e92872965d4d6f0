"""Reading a landed file: every cell as it was, every line number right, no content that raises."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from orchestration.contracts.organizations import Aliases, normalize_header, read_column_aliases
from orchestration.formats import limits
from orchestration.formats.file_columns import Layout
from orchestration.formats.text_files import (
    OutOfMemoryError,
    Reading,
    RecordCountMismatchError,
    RowsRefusedError,
    copy_rows,
    read,
)
from orchestration.installation.databases import literal_path, quoted
from orchestration.installation.home import PROJECT
from orchestration.installation.row_views import row_tables
from tests.orchestration.houses import zip_of
from tests.orchestration.rows import with_dates

COLUMNS = ("customer_id", "product_id", "due_date", "amount")
OTHERS = ("is_paid", "is_void", "name", "mail")
HEADER = ",".join(COLUMNS).encode()
LAYOUT = Layout("acme", "invoices", ",", "rut")


def _aliases(*more: tuple[str, str, str, str]) -> Aliases:
    general = [("", "invoices", field, field) for field in COLUMNS + OTHERS]
    general += [
        ("", "invoices", alias, field)
        for alias, field in (
            ("RUT", "customer_id"),
            ("government_id", "customer_id"),
            ("external_id", "customer_id"),
            ("Cliente", "customer_id"),
            ("Número de contrato", "product_id"),
            ("Fecha de vencimiento", "due_date"),
            ("Monto", "amount"),
            ("Está pagada", "is_paid"),
        )
    ]
    general += [("", "payments", field, field) for field in (*COLUMNS, "channel", "paid_on")]
    general += [("", "customers", field, field) for field in ("customer_id", "name", "mail")]
    return Aliases(
        {
            (organization, kind, normalize_header(alias)): field
            for organization, kind, alias, field in [*general, *more]
        }
    )


@dataclass
class Outcome:
    """What became of a file; `rows` starts with the line number."""

    reading: Reading
    rows: list[tuple[object, ...]]

    @property
    def refusal(self) -> tuple[str | None, str | None]:
        return self.reading.code, self.reading.message


class Desk:
    """Where a test hands in bytes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "landed"
        self.rows = folder / "rows.parquet"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.connection = duckdb.connect(config={"enable_external_file_cache": "false"})

    def copy(self, reading: Reading, table: str = "invoices", compression: str = "zstd") -> int:
        """Copy the rows of a file to a file of rows."""
        columns = row_tables()[table]
        self.rows.unlink(missing_ok=True)
        return copy_rows(self.connection, {"file-1": reading}, columns, self.rows, compression)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """What the file of rows answers to a query of `rows`; nothing if there is none."""
        if not self.rows.exists():
            return []
        path = quoted(Path(literal_path(self.rows)))
        self.connection.execute(
            "create or replace temp view rows as"
            f" from read_parquet({path}, hive_partitioning = false)"
        )
        return self.connection.execute(sql).fetchall()

    def hand_in(
        self,
        content: bytes,
        delimiter: str = ",",
        fields: tuple[str, ...] = COLUMNS,
        aliases: Aliases | None = None,
        kind: str = "invoices",
        scheme: str = "rut",
    ) -> Outcome:
        self.path.write_bytes(content)
        layout = Layout("acme", kind, delimiter, scheme)
        table = {"invoices": "invoices", "payments": "organization_payments"}[kind]
        with read(self.path, layout, aliases or _aliases(), self.scratch) as reading:
            rows: list[tuple[object, ...]] = []
            if reading.code is None:
                copied = self.copy(reading, table)
                rows = self.ask(
                    f"select line_number, {', '.join((*fields, 'attributes'))} from rows"
                    " where file_id = 'file-1'"
                )
                assert copied == len(rows) == reading.record_count
                assert rows == sorted(rows, key=itemgetter(0))
            else:
                assert (reading.record_count, reading.records) == (0, None)
                assert reading.message
        assert list(self.scratch.iterdir()) == []
        return Outcome(reading, rows)


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.connection.close()


@pytest.fixture(name="shared_desk", scope="module")
def _shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.connection.close()


# Each with a delimiter, the encoding that is found, and the rows: line number, cells, attributes.
READABLE = {
    "plain": (
        b"customer_id,product_id,due_date,amount\n1-9,A,2025-01-31,100.50\n2-7,B,2025-02-28,0\n",
        ",",
        "utf-8",
        [(2, "1-9", "A", "2025-01-31", "100.50", None), (3, "2-7", "B", "2025-02-28", "0", None)],
    ),
    "no final line end": (
        HEADER + b"\n1,2,3,4\n5,6,7,8",
        ",",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "CRLF": (
        HEADER + b"\r\n1,2,3,4\r\n5,6,7,8\r\n",
        ",",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "CRLF without the last": (
        HEADER + b"\r\n1,2,3,4\r\n5,6,7,8",
        ",",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "CR only": (
        HEADER + b"\r1,2,3,4\r5,6,7,8\r",
        ",",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "mixed line ends": (
        HEADER + b"\r\n1,2,3,4\n5,6,7,8\r9,10,11,12\r\n13,14,15,16",
        ",",
        "utf-8",
        [
            (2, "1", "2", "3", "4", None),
            (3, "5", "6", "7", "8", None),
            (4, "9", "10", "11", "12", None),
            (5, "13", "14", "15", "16", None),
        ],
    ),
    "a CR inside a file of LF": (
        HEADER + b"\n1,2,3,4\r5,6,7,8\n",
        ",",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "BOM": (
        codecs.BOM_UTF8 + HEADER + b"\n1,\xc3\xb1and\xc3\xba,3,4\n",
        ",",
        "utf-8-sig",
        [(2, "1", "ñandú", "3", "4", None)],
    ),
    "BOM and quoted header": (
        codecs.BOM_UTF8 + b'"customer_id";"product_id";"due_date";"amount"\r\n1;2;3;4\r\n',
        ";",
        "utf-8-sig",
        [(2, "1", "2", "3", "4", None)],
    ),
    "a first cell that begins like a BOM": (
        HEADER + "\n\ufeff1,2,3,4\n".encode(),
        ",",
        "utf-8",
        [(2, "\ufeff1", "2", "3", "4", None)],
    ),
    "a first cell that begins like a BOM, in a copy": (
        HEADER + "\r\ufeff1,2,3,4\r".encode(),
        ",",
        "utf-8",
        [(2, "\ufeff1", "2", "3", "4", None)],
    ),
    "UTF-8 of every length": (
        HEADER + "\né,€,𝄞,ñ\n".encode(),
        ",",
        "utf-8",
        [(2, "é", "€", "𝄞", "ñ", None)],
    ),
    "cp1252": (
        "RUT;Número de contrato;Fecha de vencimiento;Monto\r\n1;Peña €;«3»;4\r\n".encode("cp1252"),
        ";",
        "cp1252",
        [(2, "1", "Peña €", "«3»", "4", None)],
    ),
    "cp1252 with quotes": (
        'RUT;Número de contrato;Fecha de vencimiento;Monto\r\n1;"Peña; é";3;"4"\r\n'.encode(
            "cp1252"
        ),
        ";",
        "cp1252",
        [(2, "1", "Peña; é", "3", "4", None)],
    ),
    "semicolon": (
        b"customer_id;product_id;due_date;amount\n1;2,5;3;4\n",
        ";",
        "utf-8",
        [(2, "1", "2,5", "3", "4", None)],
    ),
    "tab": (
        b"customer_id\tproduct_id\tdue_date\tamount\n1\t2\t3\t\n",
        "\t",
        "utf-8",
        [(2, "1", "2", "3", None, None)],
    ),
    "pipe": (
        b"customer_id|product_id|due_date|amount\n1|2|3|4\n",
        "|",
        "utf-8",
        [(2, "1", "2", "3", "4", None)],
    ),
    "sep line": (
        b"sep=;\r\ncustomer_id;product_id;due_date;amount\r\n1;2;3;4\r\n",
        ";",
        "utf-8",
        [(3, "1", "2", "3", "4", None)],
    ),
    "sep line after a BOM, quoted, then a blank line": (
        codecs.BOM_UTF8 + b'"SEP=;"\n\ncustomer_id;product_id;due_date;amount\n1;2;3;4\n',
        ";",
        "utf-8-sig",
        [(4, "1", "2", "3", "4", None)],
    ),
    "sep line of another line end": (
        b"sep=;\rcustomer_id;product_id;due_date;amount\n1;2;3;4\n",
        ";",
        "utf-8",
        [(3, "1", "2", "3", "4", None)],
    ),
    "blank lines everywhere": (
        b"\n  \n" + HEADER + b"\n\n1,2,3,4\n \t \n\n5,6,7,8\n\n\n",
        ",",
        "utf-8",
        [(5, "1", "2", "3", "4", None), (8, "5", "6", "7", "8", None)],
    ),
    "blank CRLF lines at the end": (
        HEADER + b"\r\n1,2,3,4\r\n\r\n\r\n",
        ",",
        "utf-8",
        [(2, "1", "2", "3", "4", None)],
    ),
    "empty cells and a record of nothing else": (
        HEADER + b"\n,,,\n1,,3,\n",
        ",",
        "utf-8",
        [(2, None, None, None, None, None), (3, "1", None, "3", None, None)],
    ),
    "all quoted": (
        b'"customer_id","product_id","due_date","amount"\n"1","2","","4"\n"5","6","7","8"\n',
        ",",
        "utf-8",
        [(2, "1", "2", None, "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "some quoted": (
        HEADER + b'\n1,"2",3,4\n"5",6,"7","8"\n',
        ",",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "quoted delimiters and doubled quotes": (
        HEADER + b'\n"1,1","say ""2""","""",","\n"a,b",c,d,"""e"\n',
        ",",
        "utf-8",
        [(2, "1,1", 'say "2"', '"', ",", None), (3, "a,b", "c", "d", '"e', None)],
    ),
    "as many delimiters as fields, by quotes": (
        HEADER + b'\n"1,2",3,4,\n',
        ",",
        "utf-8",
        [(2, "1,2", "3", "4", None, None)],
    ),
    "quoted line ends of all kinds": (
        HEADER + b'\n1,"a\nb","c\r\nd","e\rf"\n5,6,7,8\n',
        ",",
        "utf-8",
        [(2, "1", "a\nb", "c\r\nd", "e\rf", None), (6, "5", "6", "7", "8", None)],
    ),
    "cells of several lines with some delimiters": (
        HEADER + b'\n1,"a,b\nc,d",3,4\n5,6,"a,b,c\nd",8\n"p,q\nr,s",,,\n',
        ",",
        "utf-8",
        [
            (2, "1", "a,b\nc,d", "3", "4", None),
            (4, "5", "6", "a,b,c\nd", "8", None),
            (6, "p,q\nr,s", None, None, None, None),
        ],
    ),
    "an address of two lines, with as many commas as a record": (
        HEADER + b'\n1,"Av. Uno 3, of. 4, Valdivia\nLos R\xc3\xados, Chile",3,4\n',
        ",",
        "utf-8",
        [(2, "1", "Av. Uno 3, of. 4, Valdivia\nLos Ríos, Chile", "3", "4", None)],
    ),
    "a line end inside the header": (
        b'customer_id,product_id,due_date,amount,"two\nlines"\n1,2,3,4,5\n',
        ",",
        "utf-8",
        [(3, "1", "2", "3", "4", '{"two\\nlines":"5"}')],
    ),
    "quotes that are characters": (
        HEADER + b'\n1,TV 32",5\' 3",4"\n5,6 "x" 6,7,8\n',
        ",",
        "utf-8",
        [(2, "1", 'TV 32"', "5' 3\"", '4"', None), (3, "5", '6 "x" 6', "7", "8", None)],
    ),
    "blanks are kept": (
        HEADER + b'\n 1 , ,3\t," 4 "\n',
        ",",
        "utf-8",
        [(2, " 1 ", " ", "3\t", " 4 ", None)],
    ),
    "words for nothing are words": (
        HEADER + b"\nNULL,null,NaN,\\N\n#,-,N/A,0\n",
        ",",
        "utf-8",
        [(2, "NULL", "null", "NaN", "\\N", None), (3, "#", "-", "N/A", "0", None)],
    ),
    "formulas": (
        HEADER + b"\n=1+1,@SUM(A1),+5,-5\n\"=cmd|' /C calc'!A0\",2,3,4\n",
        ",",
        "utf-8",
        [
            (2, "=1+1", "@SUM(A1)", "+5", "-5", None),
            (3, "=cmd|' /C calc'!A0", "2", "3", "4", None),
        ],
    ),
    "odd characters": (
        HEADER + "\n\x1b,\x1bx,\x1be\x1f,\x0b\x0c\n\x1bx,,,\n\x85,\u2028,\x1c,\\\n".encode(),
        ",",
        "utf-8",
        [
            (2, "\x1b", "\x1bx", "\x1be\x1f", "\x0b\x0c", None),
            (3, "\x1bx", None, None, None, None),
            (4, "\x85", "\u2028", "\x1c", "\\", None),
        ],
    ),
    "odd characters in a copy": (
        HEADER + b'\r\x1b,\x1bx,\x1be\x1f,\x1f\r\x1bx,,,\r\n\x1bx,"\x1b\n\x1f",,\n',
        ",",
        "utf-8",
        [
            (2, "\x1b", "\x1bx", "\x1be\x1f", "\x1f", None),
            (3, "\x1bx", None, None, None, None),
            (4, "\x1bx", "\x1b\n\x1f", None, None, None),
        ],
    ),
    "trailing delimiter in header and rows": (
        b"customer_id;product_id;due_date;amount;\n1;2;3;4;\n5;6;7;8;\n",
        ";",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "trailing delimiters in the header alone": (
        b"customer_id;product_id;due_date;amount;;\n1;2;3;4\n5;6;7;8\n",
        ";",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "trailing delimiters in the rows alone": (
        b"customer_id;product_id;due_date;amount\r\n1;2;3;4;;\r\n5;6;7;8;;\r\n",
        ";",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", None)],
    ),
    "trailing delimiters now and then": (
        b'customer_id;product_id;due_date;amount;\n1;2;3;4\n5;6;7;8;\n"9";10;11;12;"";;\n',
        ";",
        "utf-8",
        [
            (2, "1", "2", "3", "4", None),
            (3, "5", "6", "7", "8", None),
            (4, "9", "10", "11", "12", None),
        ],
    ),
    "a value in a nameless last column": (
        b"customer_id;product_id;due_date;amount;;\n1;2;3;4;;\n5;6;7;8;note;\n",
        ";",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", '{"column_5":"note"}')],
    ),
    "trailing delimiters in some blocks alone": (
        b"customer_id;product_id;due_date;amount\n1;2;3;4\n5;6;7;8;;\n9;10;11;12\n",
        ";",
        "utf-8",
        [
            (2, "1", "2", "3", "4", None),
            (3, "5", "6", "7", "8", None),
            (4, "9", "10", "11", "12", None),
        ],
    ),
    "a value in a nameless last column that other records lack": (
        b"customer_id;product_id;due_date;amount;\n1;2;3;4\n5;6;7;8;note\n",
        ";",
        "utf-8",
        [(2, "1", "2", "3", "4", None), (3, "5", "6", "7", "8", '{"column_5":"note"}')],
    ),
    "a value in a nameless last column beside a quoted delimiter": (
        b'customer_id;product_id;due_date;amount;\n"1;1";2;3;4;note\n',
        ";",
        "utf-8",
        [(2, "1;1", "2", "3", "4", '{"column_5":"note"}')],
    ),
    "a CR inside the header of a file of LF": (
        b'customer_id,product_id,due_date,amount,"a\rb"\n1,2,3,4,5\n',
        ",",
        "utf-8",
        [(3, "1", "2", "3", "4", '{"a\\rb":"5"}')],
    ),
    "a CRLF after the sep line of a file of LF": (
        b"sep=,\r\n" + HEADER + b"\n1,2,3,4\n",
        ",",
        "utf-8",
        [(3, "1", "2", "3", "4", None)],
    ),
    "header only": (HEADER + b"\n", ",", "utf-8", []),
    "header only without line end": (HEADER, ",", "utf-8", []),
    "header and blank lines": (HEADER + b"\r\n\r\n  \r\n", ",", "utf-8", []),
}


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("block_bytes", [1, 7, limits.BLOCK_BYTES])
def test_every_cell_arrives_as_it_was_with_its_line_number(
    shared_desk: Desk, name: str, block_bytes: int
) -> None:
    content, delimiter, encoding, rows = READABLE[name]
    with patch.object(limits, "BLOCK_BYTES", block_bytes):
        outcome = shared_desk.hand_in(content, delimiter)
    assert outcome.refusal == (None, None)
    assert outcome.reading.encoding == encoding
    assert outcome.rows == rows


REFUSED = {
    "nothing": (b"", "empty_file", "El archivo está vacío: no tiene encabezado."),
    "a BOM and nothing": (
        codecs.BOM_UTF8,
        "empty_file",
        "El archivo está vacío: no tiene encabezado.",
    ),
    "blank lines only": (
        b"\r\n  \r\n\t\r\n ",
        "empty_file",
        "El archivo está vacío: no tiene encabezado.",
    ),
    "sep line only": (b"sep=,\n", "empty_file", "El archivo está vacío: no tiene encabezado."),
    "UTF-16 little-endian": (
        codecs.BOM_UTF16_LE + HEADER.decode().encode("utf-16-le"),
        "unreadable_encoding",
        "El archivo está en UTF-16. Guárdelo como «CSV UTF-8» y envíelo de nuevo.",
    ),
    "UTF-16 big-endian": (
        codecs.BOM_UTF16_BE + HEADER.decode().encode("utf-16-be"),
        "unreadable_encoding",
        "El archivo está en UTF-16. Guárdelo como «CSV UTF-8» y envíelo de nuevo.",
    ),
    "UTF-16 without a BOM": (
        HEADER.decode().encode("utf-16-le"),
        "nul_bytes",
        "El archivo está en UTF-16. Guárdelo como «CSV UTF-8» y envíelo de nuevo.",
    ),
    "UTF-16 BE without a BOM": (
        HEADER.decode().encode("utf-16-be"),
        "nul_bytes",
        "El archivo está en UTF-16. Guárdelo como «CSV UTF-8» y envíelo de nuevo.",
    ),
    "a .zip or a workbook": (
        zip_of("deudas.csv", HEADER),
        "nul_bytes",
        "El archivo es un libro de Excel o un .zip: guárdelo como «CSV UTF-8».",
    ),
    "a .gz": (
        gzip.compress(HEADER * 9, mtime=0),
        "nul_bytes",
        "El archivo está comprimido: envíelo sin comprimir.",
    ),
    "a .gz that has no NUL byte": (
        b"\x1f\x8b\x08\x81",
        "unreadable_encoding",
        "El archivo está comprimido: envíelo sin comprimir.",
    ),
    "a NUL byte": (
        HEADER + b"\r\n1,2,3,4\r\n5,6\0,7,8\r\n",
        "nul_bytes",
        "Línea 3: hay un byte nulo (NUL). El archivo está dañado o no es texto.",
    ),
    "a NUL byte in cp1252": (
        HEADER + b"\n1,\xf1,3,4\n5,6,7,8\n5,6\0,7,8\n",
        "nul_bytes",
        "Línea 4: hay un byte nulo (NUL). El archivo está dañado o no es texto.",
    ),
    "UTF-8 that lost a byte": (
        HEADER + "\n1,Ñuñoa,3,4\n5,Peñalolén,7,8\n".encode() + b"9,Nu\xc3oa,11,12\n",
        "damaged_encoding",
        "Línea 4: el archivo está en UTF-8 y tiene caracteres dañados."
        " Genérelo de nuevo, o guárdelo como «CSV UTF-8».",
    ),
    "UTF-8 with bytes of cp1252 on many lines": (
        HEADER + ("\n1,Ñuñoa,3,é" * 6).encode() + b"\r\n1,\xf1\xf1,3,4" * 6,
        "damaged_encoding",
        "Líneas 8, 9, 10, 11, 12 y otras: el archivo está en UTF-8 y tiene caracteres dañados."
        " Genérelo de nuevo, o guárdelo como «CSV UTF-8».",
    ),
    "neither UTF-8 nor cp1252": (
        HEADER + b"\n1,\xf1,3,4\n5,\x81,7,8\n",
        "unreadable_encoding",
        "Línea 2: el archivo no está en UTF-8, ni en Windows-1252 (línea 3)."
        " Guárdelo como «CSV UTF-8».",
    ),
    "a BOM and no UTF-8": (
        codecs.BOM_UTF8 + HEADER + b"\r1,2,3,4\r5,\xf1,7,8\r",
        "unreadable_encoding",
        "Línea 3: el archivo no está en UTF-8. Guárdelo como «CSV UTF-8».",
    ),
    "UTF-8 cut in a character, with a BOM": (
        codecs.BOM_UTF8 + HEADER + b"\n1,2,3,\xc3",
        "unreadable_encoding",
        "Línea 2: el archivo no está en UTF-8. Guárdelo como «CSV UTF-8».",
    ),
    "a quote that stays open": (
        HEADER + b'\n1,2,3,4\n5,"6\n7",7,"8\n9,10,11,12\n',
        "unclosed_quote",
        'Línea 4: se abre una comilla (") que no se cierra.',
    ),
    "stray quotes in one column of two rows": (
        HEADER + b'\n1,"COMERCIAL LO,3,4\n5,6,7,8\n\n9,TUBOS 3/4",11,12\n13,14,15,16\n',
        "unclosed_quote",
        'Líneas 2 a 5: se abre una comilla (") en la primera y se cierra en la última, y cada línea'
        " tiene los campos de un registro. En un campo entre comillas, una comilla que es parte del"
        ' texto se escribe dos veces ("").',
    ),
    "stray quotes beside cells with delimiters": (
        HEADER + b'\n1,2,3,4\n"a,b",6,"7,8\n9,10,TUBOS 3/4","1,2"\n',
        "unclosed_quote",
        'Líneas 3 a 4: se abre una comilla (") en la primera y se cierra en la última, y cada línea'
        " tiene los campos de un registro. En un campo entre comillas, una comilla que es parte del"
        ' texto se escribe dos veces ("").',
    ),
    "stray quotes in the last column, with empty fields beyond the header": (
        HEADER + b'\n1,"a\nb",3,"4,,\n5,6,7,8",,\n',
        "unclosed_quote",
        'Líneas 3 a 4: se abre una comilla (") en la primera y se cierra en la última, y cada línea'
        " tiene los campos de un registro. En un campo entre comillas, una comilla que es parte del"
        ' texto se escribe dos veces ("").',
    ),
    "an open quote in the header": (
        b'\ncustomer_id,"product_id,due_date\n1,2,3',
        "unclosed_quote",
        'Línea 2: se abre una comilla (") que no se cierra.',
    ),
    "text after a closing quote": (
        HEADER + b'\n1,2,3,4\n5,"6" y 7,7,8\n',
        "text_after_quote",
        "Línea 3: hay texto después de una comilla de cierre. Dentro de un campo entre comillas,"
        ' una comilla se escribe dos veces ("").',
    ),
    "too few fields": (
        HEADER + b"\n1,2,3,4\n\n5,6,7\n",
        "wrong_field_count",
        "Línea 4: el registro tiene 3 campos y el encabezado tiene 4.",
    ),
    "too many fields": (
        HEADER + b"\n1,2,3,4\n5,6,7,8,9\n",
        "wrong_field_count",
        "Línea 3: el registro tiene 5 campos y el encabezado tiene 4.",
    ),
    "too many fields in every record": (
        HEADER + b"\n1,2,3,4,5\n5,6,7,8,9\n",
        "wrong_field_count",
        "Línea 2: el registro tiene 5 campos y el encabezado tiene 4.",
    ),
    "a decimal comma where the comma delimits": (
        HEADER + b"\n1,2,3,4\n5,6,7,8,50\n",
        "wrong_field_count",
        "Línea 3: el registro tiene 5 campos y el encabezado tiene 4.",
    ),
    "too few fields after a cell with line ends": (
        HEADER + b'\n1,"a\r\n\r\nb",3,4\n5,6\n',
        "wrong_field_count",
        "Línea 5: el registro tiene 2 campos y el encabezado tiene 4.",
    ),
    "a CR in a record of a file of CRLF": (
        HEADER + b"\r\n1,2,3,4\rx\n5,6,7,8\r\n",
        "wrong_field_count",
        "Línea 3: el registro tiene 1 campo y el encabezado tiene 4.",
    ),
    "a quoted delimiter that makes the fields look right": (
        HEADER + b'\n"a",b,c,d\n"p,q",r,s\n',
        "wrong_field_count",
        "Línea 3: el registro tiene 3 campos y el encabezado tiene 4.",
    ),
    "a missing column": (
        b"customer_id,product_id,due_date,total\n1,2,3,4\n",
        "missing_column",
        "El encabezado no tiene la columna obligatoria: monto (amount).",
    ),
    "no header": (
        b"12345678-5,ana@example.com\n",
        "missing_column",
        "El encabezado no tiene las columnas obligatorias: identificador del cliente"
        " (customer_id), identificador del producto (product_id), fecha de vencimiento (due_date),"
        " monto (amount).",
    ),
    "an old workbook": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(8),
        "nul_bytes",
        "El archivo es un libro de un Excel antiguo (.xls): guárdelo como «CSV UTF-8».",
    ),
    "a PDF": (
        b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n\x81\n",
        "unreadable_encoding",
        "El archivo es un PDF: envíelo como «CSV UTF-8».",
    ),
    "a page": (
        b"<table>\n<tr><td>rut</td></tr>\n",
        "missing_column",
        "El encabezado no tiene las columnas obligatorias: identificador del cliente"
        " (customer_id), identificador del producto (product_id), fecha de vencimiento (due_date),"
        " monto (amount). Hay una sola columna: el separador acordado es «,». Parece un HTML, XML"
        " o PDF, no un CSV.",
    ),
    "another delimiter": (
        b"customer_id;product_id;due_date;amount\n1;2;3;4\n",
        "missing_column",
        "El encabezado no tiene las columnas obligatorias: identificador del cliente"
        " (customer_id), identificador del producto (product_id), fecha de vencimiento (due_date),"
        " monto (amount). Hay una sola columna: el separador acordado es «,».",
    ),
    "a doubled column": (
        HEADER + b",MONTO\n1,2,3,4,5\n",
        "doubled_column",
        "Dos columnas son monto: «amount» (columna 4) y «MONTO» (columna 5). Deje una sola.",
    ),
    "a doubled column with a long name": (
        HEADER + b',"amount\n' + b"!" * 100 + b'"\n1,2,3,4,5\n',
        "doubled_column",
        "Dos columnas son monto: «amount» (columna 4) y «amount " + "!" * 52 + "…» (columna 5)."
        " Deje una sola.",
    ),
    "too many columns": (
        HEADER + b",x" * 16_381 + b"\n",
        "too_many_columns",
        "El encabezado tiene 16385 columnas; el máximo es 16384.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("block_bytes", [1, 7, limits.BLOCK_BYTES])
def test_a_file_that_cannot_be_read_gets_a_code_and_a_message_with_its_line(
    shared_desk: Desk, name: str, block_bytes: int
) -> None:
    content, code, message = REFUSED[name]
    with patch.object(limits, "BLOCK_BYTES", block_bytes):
        outcome = shared_desk.hand_in(content)
    assert outcome.refusal == (code, message)


def test_headers_are_found_in_any_order_case_and_accent(desk: Desk) -> None:
    outcome = desk.hand_in(
        'MONTO;name; FECHA  DE vencimiento ;"esta-pagada";numero_de_CONTRATO;Rut\n'
        "4;Ana;3;sí;2;1\n".encode(),
        ";",
        fields=(*COLUMNS, *OTHERS),
    )
    assert outcome.rows == [(2, "1", "2", "3", "4", "sí", None, "Ana", None, None)]
    assert outcome.reading.columns == {
        "customer_id": 5,
        "product_id": 4,
        "due_date": 2,
        "amount": 0,
        "is_paid": 3,
        "name": 1,
    }


def test_own_payments_of_an_organization_land_in_their_own_table(desk: Desk) -> None:
    outcome = desk.hand_in(
        b"customer_id,product_id,due_date,channel,sucursal\n1,2,3,caja,12\n",
        fields=("customer_id", "product_id", "due_date", "amount", "channel", "paid_on"),
        kind="payments",
    )
    assert outcome.rows == [(2, "1", "2", "3", None, "caja", None, '{"sucursal":"12"}')]


def test_an_own_alias_beats_a_general_one_in_the_same_file(desk: Desk) -> None:
    outcome = desk.hand_in(
        HEADER + b",cuota\n1,2,3,4,5\n", aliases=_aliases(("acme", "invoices", "Cuota", "amount"))
    )
    assert outcome.rows == [(2, "1", "2", "3", "5", '{"amount":"4"}')]


@pytest.mark.parametrize(
    ("header", "scheme", "customer"),
    [
        ("rut,external_id", "rut", 0),
        ("external_id,Government-ID", "rut", 1),
        ("cliente,rut", "rut", 1),
        ("rut,external_id", "external_id", 1),
        ("cliente,rut", "external_id", 0),
        ("external_id,x", "rut", 0),
        ("rut,x", "external_id", 0),
        ("rut,government_id", "rut", None),
        ("external_id,cliente", "rut", None),
        ("external_id,cliente", "external_id", None),
    ],
)
def test_of_a_rut_and_another_id_the_contracts_scheme_says_which_is_the_customer(
    desk: Desk, header: str, scheme: str, customer: int | None
) -> None:
    content = f"{header},product_id,due_date,amount\n0,1,2,3,4\n".encode()
    reading = desk.hand_in(content, scheme=scheme).reading
    if customer is None:
        assert reading.code == "doubled_column"
    else:
        assert (reading.code, reading.columns["customer_id"]) == (None, customer)


@pytest.mark.parametrize(
    ("kind", "columns", "doubled"),
    [
        ("invoices", ("Nombre", "Nombre cliente"), None),
        ("invoices", ("mail", "correo"), None),
        ("payments", ("fecha", "fecha de pago"), None),
        ("payments", ("canal", "medio de pago"), None),
        ("invoices", ("pagada", "is_paid"), "doubled_column"),
        ("payments", ("moneda", "divisa"), "doubled_column"),
    ],
)
def test_two_columns_for_what_no_rule_decides_by_are_attributes(
    desk: Desk, kind: str, columns: tuple[str, str], doubled: str | None
) -> None:
    """Else the payments that an organization took would stay debts for a date that nobody reads."""
    content = HEADER + f",{columns[0]},{columns[1]}\n1,2,3,4,uno,dos\n".encode()
    outcome = desk.hand_in(content, kind=kind, aliases=read_column_aliases(PROJECT / "seeds"))
    assert outcome.reading.code == doubled
    if doubled is None:
        assert set(outcome.reading.attribute_columns) == {(columns[0], 4), (columns[1], 5)}


def test_unknown_columns_become_attributes_with_sorted_keys_and_no_empty_values(
    desk: Desk,
) -> None:
    outcome = desk.hand_in(
        "zona,customer_id,product_id,Ñuble,due_date,amount,ejecutivo\n"
        "norte,1,2,,3,4, Ana \n"
        ",1,2,,3,4,\n".encode(),
    )
    assert outcome.reading.attribute_columns == (("ejecutivo", 6), ("zona", 0), ("Ñuble", 3))
    assert outcome.rows == [
        (2, "1", "2", "3", "4", '{"ejecutivo":" Ana ","zona":"norte"}'),
        (3, "1", "2", "3", "4", None),
    ]


def test_doubled_and_nameless_columns_get_names_of_their_own(desk: Desk) -> None:
    outcome = desk.hand_in(
        b",nota,nota_2,column_1," + HEADER + b",nota,,Nota,\na,b,c,d,1,2,3,4,e,f,g,\n"
    )
    assert outcome.reading.attribute_columns == (
        ("Nota", 10),
        ("column_1", 3),
        ("column_10", 9),
        ("column_1_2", 0),
        ("nota", 1),
        ("nota_2", 2),
        ("nota_3", 8),
    )
    attributes = json.loads(str(outcome.rows[0][-1]))
    assert attributes == {
        "Nota": "g",
        "column_1": "d",
        "column_10": "f",
        "column_1_2": "a",
        "nota": "b",
        "nota_2": "c",
        "nota_3": "e",
    }


def test_attribute_names_are_cut_and_stay_apart(desk: Desk) -> None:
    long = b"x" * 300
    outcome = desk.hand_in(HEADER + b"," + long + b"y," + long + b"z\n1,2,3,4,5,6\n")
    assert outcome.reading.attribute_columns == (("x" * 256, 4), ("x" * 256 + "_2", 5))


def test_attributes_are_json_whatever_the_characters(desk: Desk) -> None:
    names = ["a'b", 'c"d', "e\\f", "g\nh", "sql'); drop table raw.invoices; --", "{}", "$1 ?", "ñ"]
    cells = ["'", '"', "\\", "\n\t\x01", "'); drop table raw.invoices; --", "{}", "?", "𝄞"]
    content = io.StringIO(newline="")
    csv.writer(content, quoting=csv.QUOTE_ALL).writerows(
        [[*COLUMNS, *names], ["1", "2", "3", "4", *cells]]
    )
    outcome = desk.hand_in(content.getvalue().encode())
    text = str(outcome.rows[0][-1])
    assert json.loads(text) == dict(zip(names, cells, strict=True))
    assert list(json.loads(text)) == sorted(names)


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (HEADER + ",a,b\n1,2,3,4,ñandú,x\n".encode(), 5),
        (HEADER + ",a\n1,2,3,4,𝄞𝄞\n".encode(), 2),
        (HEADER + b",a\n1,2,3,4,\n", None),
        (HEADER + b"\n1,2,3,4\n", None),
        (HEADER + b',a\n1,2,3,4,"x\r\ny"\n', 4),
    ],
)
def test_attribute_length_is_the_longest_in_characters(
    desk: Desk, content: bytes, length: int | None
) -> None:
    outcome = desk.hand_in(content, fields=("attribute_length",))
    assert [row[1] for row in outcome.rows] == [length]


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_field_of_two_megabytes_is_read(desk: Desk, quote: str) -> None:
    note = "ñ" * 1_000_000
    content = f"{HEADER.decode()},nota\n1,2,3,4,{quote}{note}{quote}\n5,6,7,8,corta\n"
    outcome = desk.hand_in(content.encode())
    assert outcome.rows == [
        (2, "1", "2", "3", "4", f'{{"nota":"{note}"}}'),
        (3, "5", "6", "7", "8", '{"nota":"corta"}'),
    ]


def test_a_record_without_end_is_refused_before_it_fills_the_memory(desk: Desk) -> None:
    tracemalloc.start()
    outcome = desk.hand_in(HEADER + b"\n1,2,3,4\n" + b"x" * 40_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome.refusal == (
        "record_too_long",
        "Línea 3: el registro pasa de 16 MB. Cada registro va en su línea.",
    )
    assert peak < 150_000_000


def test_an_open_quote_is_not_searched_through_the_whole_file(desk: Desk) -> None:
    with patch.object(limits, "LONGEST_RECORD_BYTES", 1_000_000):
        outcome = desk.hand_in(HEADER + b'\n1,"2,3,4\n' + b"5,6,7,8\n" * 400_000 + b'"\n')
    assert outcome.refusal == (
        "unclosed_quote",
        'Línea 2: se abre una comilla (") que no se cierra.',
    )


def test_ten_thousand_columns_are_read(desk: Desk) -> None:
    names = [f"k{number}" for number in range(9_996)]
    content = ",".join([*COLUMNS, *names]) + "\n" + ",".join(map(str, range(10_000))) + "\n"
    outcome = desk.hand_in(content.encode())
    assert outcome.rows[0][:-1] == (2, "0", "1", "2", "3")
    assert json.loads(str(outcome.rows[0][-1])) == {
        name: str(4 + number) for number, name in enumerate(names)
    }


@pytest.mark.parametrize(
    ("column_count", "record_count", "is_refused"),
    [(2_001, 500, True), (2_001, 499, False), (2_000, 500, False), (16_384, 62, True)],
)
def test_a_file_of_many_columns_has_few_records(
    shared_desk: Desk, column_count: int, record_count: int, is_refused: bool
) -> None:
    """R20: else it runs out of memory, and stops all organizations with each load."""
    header = b",".join([HEADER, *(b"k%d" % number for number in range(column_count - 4))])
    record = b",".join([b"1"] * column_count)
    shared_desk.path.write_bytes(b"\n".join([header, *[record] * record_count, b""]))
    with read(shared_desk.path, LAYOUT, _aliases(), shared_desk.scratch) as reading:
        message = (
            f"El archivo tiene {column_count} columnas y {record_count} registros; con más de 2000"
            " columnas, el máximo es de 1000000 celdas."
        )
        refusal = ("too_many_columns", message) if is_refused else (None, None)
        assert (reading.code, reading.message) == refusal


def test_two_thousand_columns_are_read_in_little_memory(desk: Desk) -> None:
    """R20: a file that runs out of memory stops all organizations, again with each load."""
    names = [f"k{number}" for number in range(1_996)]
    record = ",".join(map(str, range(2_000))) + "\n"
    desk.connection.execute("set memory_limit = '1GB'")
    outcome = desk.hand_in((",".join([*COLUMNS, *names]) + "\n" + record * 2_500).encode())
    assert len(outcome.rows) == 2_500
    assert outcome.rows[-1][:-1] == (2_501, "0", "1", "2", "3")
    assert json.loads(str(outcome.rows[-1][-1])) == {
        name: str(4 + number) for number, name in enumerate(names)
    }


def test_too_little_memory_is_no_fault_of_the_file(desk: Desk) -> None:
    """A refusal would depend on the machine, and so would the rows after a replay."""
    names = ",".join(f"k{number}" for number in range(1_996))
    record = ",".join(map(str, range(2_000))) + "\n"
    desk.connection.execute("set memory_limit = '20MB'; set max_temp_directory_size = '0MB'")
    with pytest.raises(OutOfMemoryError) as raised:
        desk.hand_in((f"{','.join(COLUMNS)},{names}\n" + record * 500).encode())
    assert str(raised.value) == "OutOfMemoryException"


def test_an_ordinary_file_is_checked_in_little_memory_and_without_a_copy(desk: Desk) -> None:
    desk.path.write_bytes(HEADER + b"\r\n" + b"12345678-5,F1,2025-01-31,1000\r\n" * 1_000_000)
    tracemalloc.start()
    with read(desk.path, LAYOUT, _aliases(), desk.scratch) as reading:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (reading.code, reading.record_count) == (None, 1_000_000)
        assert reading.records is not None
        assert reading.records.path == desk.path
    assert peak < 16 * limits.BLOCK_BYTES


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_line_numbers_hold_across_the_buffers_of_duckdb(desk: Desk, line_end: bytes) -> None:
    count = 1_300_000  # 36 MB, more than a buffer holds
    lines = (b"%08d,F-1,2025-01-31,%04d" % (each, each % 977) for each in range(count))
    desk.path.write_bytes(line_end.join([HEADER, *lines]))
    desk.connection.execute("set threads = 4")
    with read(desk.path, LAYOUT, _aliases(), desk.scratch) as reading:
        assert desk.copy(reading) == count
    assert desk.ask(
        "select count(*), count(distinct line_number), min(line_number), max(line_number),"
        " count(*) filter (customer_id = printf('%08d', line_number - 2)"
        " and amount = printf('%04d', (line_number - 2) % 977)) from rows"
    ) == [(count, count, 2, count + 1, count)]


def test_a_file_that_changes_before_it_is_copied_writes_nothing_and_leaks_nothing(
    desk: Desk,
) -> None:
    desk.path.write_bytes(HEADER + b"\n1,2,3,4\n5,6,7,8\n")
    with read(desk.path, LAYOUT, _aliases(), desk.scratch) as reading:
        desk.path.write_bytes(HEADER + b"\n1,2,3,4\n12345678-5,ana@example.com\n")
        with pytest.raises(RecordCountMismatchError) as caught:
            desk.copy(reading)
    error: BaseException | None = caught.value
    assert error is not None
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "12345678" not in str(error)
    assert (caught.value.code, caught.value.message) == (
        "record_count_mismatch",
        "El archivo no se pudo leer completo.",
    )
    assert not desk.rows.exists()


def test_what_duckdb_says_of_a_row_stays_inside(desk: Desk) -> None:
    desk.path.write_bytes(HEADER + b"\n1,2,3,ana@example.com\n5,6,7,ana@example.com\n")
    with (
        read(desk.path, LAYOUT, _aliases(), desk.scratch) as reading,
        pytest.raises(RowsRefusedError) as caught,
    ):
        copy_rows(desk.connection, {"f": reading}, with_dates("amount"), desk.rows, "zstd")
    assert str(caught.value) == "ConversionException"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_refused_file_has_no_rows_to_copy(desk: Desk) -> None:
    with pytest.raises(ValueError, match="missing_column"):
        desk.copy(Reading(code="missing_column"))


def test_a_path_is_not_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "a[b]*'x=1?{c,d}"
    folder.mkdir()
    desk = Desk(folder)
    decoy = tmp_path / "ab-'x=1-{c,d}"
    decoy.mkdir()
    (decoy / "landed").write_bytes(HEADER + b"\n9,9,9,9\n")
    assert desk.hand_in(HEADER + b"\n1,2,3,4\n").rows == [(2, "1", "2", "3", "4", None)]
    assert desk.hand_in(HEADER + b"\r1,2,3,4\r").rows == [(2, "1", "2", "3", "4", None)]


PIECES = [
    *('"', '""', ",", ";", "\t", "|", "\n", "\r", "\r\n", " ", "", "'", "\\"),
    *("\x1b", "\x1bx", "\x1bn", "\x1f", "\x0b", "\x1c", "\x85", "\u2028", "ñ", "€", "𝄞", "a", "1"),
]
ANY_TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _has_swallowed(row: Sequence[str], delimiter: str) -> bool:
    """Whether each line of a cell of several lines is a record, with the plain cells beside it."""
    for place, cell in enumerate(row):
        beside = ["x"] * place, ["x"] * (len(row) - 1 - place)
        lines = re.split("\r\n|\r|\n", delimiter.join([*beside[0], cell, *beside[1]]))
        kept = [*lines[:1], *(each for each in lines[1:-1] if each.strip()), *lines[-1:]]
        are_records = {each.count(delimiter) for each in kept} == {len(row) - 1}
        is_prose = all(part[:1].isspace() for part in cell.split(delimiter)[1:])
        if len(lines) > 1 and are_records and not is_prose:
            return True
    return False


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_table_comes_back_exactly_with_its_line_numbers(
    shared_desk: Desk, data: st.DataObject
) -> None:
    draw = data.draw
    delimiter = draw(st.sampled_from(",;\t|"))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    attributes = [f"k{number}" for number in range(draw(st.integers(0, 3)))]
    width = len(COLUMNS) + len(attributes)
    cells = ANY_TEXT
    if draw(st.booleans()):  # nothing that needs quotes
        kept = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='",;|')
        cells = st.text(kept, max_size=8)
    table = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=8))
    # The writer leaves a line end bare in a cell when it is not its own.
    is_broken = any(_line_ends(cell) for row in table for cell in row)
    quotings = [csv.QUOTE_ALL] if is_broken else [csv.QUOTE_ALL, csv.QUOTE_MINIMAL]
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=draw(st.sampled_from(quotings)),
    )
    if draw(st.booleans()):
        text.write(f"sep={delimiter}{line_end}")
    writer.writerow([*COLUMNS, *attributes])
    expected = []
    for row in table:
        text.write(line_end * draw(st.sampled_from([0, 0, 0, 1, 2])))
        named = {name: cell for name, cell in zip(attributes, row[4:], strict=True) if cell}
        expected.append(
            (1 + _line_ends(text.getvalue()), *(cell or None for cell in row[:4]), named or None)
        )
        record = row + [""] * draw(st.sampled_from([0, 0, 0, 2]))
        assume(not _has_swallowed(record, delimiter))
        writer.writerow(record)
    text.write(line_end * draw(st.integers(0, 2)))
    content = text.getvalue()
    if draw(st.booleans()):
        content = content.removesuffix(line_end)

    encodings = ["utf-8", "utf-8-sig"]
    try:
        in_cp1252 = content.encode("cp1252")
        in_cp1252.decode("utf-8")
    except UnicodeEncodeError:
        pass
    except UnicodeDecodeError:
        encodings = ["cp1252"]
    encoding = draw(st.sampled_from(encodings))
    block_bytes = draw(st.sampled_from([1, 3, 16, 64, limits.BLOCK_BYTES]))
    with patch.object(limits, "BLOCK_BYTES", block_bytes):
        outcome = shared_desk.hand_in(content.encode(encoding), delimiter)

    assert outcome.refusal == (None, None)
    assert outcome.reading.encoding == encoding
    rows = [(*row[:-1], json.loads(str(row[-1])) if row[-1] else None) for row in outcome.rows]
    assert rows == expected


def _parse_plainly(content: bytes) -> list[tuple[object, ...]] | set[str]:
    """Read a file of four columns the slow way: its rows, or the codes that it may get."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return {"unreadable_encoding"}
    if b"\0" in content:
        return {"nul_bytes", "unreadable_encoding"}
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if content.startswith(codecs.BOM_UTF8):
            return {"unreadable_encoding"}
        wrong = content.decode("utf-8", "surrogateescape")
        characters = sum(each > "\x7f" and not "\udc80" <= each <= "\udcff" for each in wrong)
        if characters > sum("\udc80" <= each <= "\udcff" for each in wrong):
            return {"damaged_encoding"}
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            return {"unreadable_encoding"}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[object, ...]] = []
    line = 0
    try:
        for row in reader:
            start, line = line + 1, reader.line_num
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if len(row) < len(COLUMNS) or any(row[4:]):
                return {"wrong_field_count"}
            if _has_swallowed(row, ","):
                return {"unclosed_quote"}
            rows.append((start, *(cell or None for cell in row[:4]), None))
    except csv.Error:
        return {"unclosed_quote", "text_after_quote"}
    return rows[1:]


LIKE_RECORDS = st.lists(
    st.lists(
        st.sampled_from(
            [b"a", b'"b"', b"", b'""', b'"c,d"', b'e"f', b'"g"h', b'"i\n"', b'"', b"\xf1", b" "]
        ),
        min_size=3,
        max_size=6,
    ).map(b",".join),
    max_size=6,
).map(b"\n".join)
LIKE_BYTES = st.lists(
    st.sampled_from([b'"', b",", b",", b",", b"\n", b"\r", b" ", b"x", b"\xc3", b"\xb1", b"\x81"]),
    max_size=40,
).map(b"".join)


@settings(max_examples=400, deadline=None)
@example(rest=b"\x80\xc2\x80\xe0\xa0\x80", start=HEADER + b"\n", block_bytes=limits.BLOCK_BYTES)
@given(
    rest=st.one_of(st.binary(max_size=60), LIKE_RECORDS, LIKE_BYTES),
    start=st.sampled_from([HEADER + b"\n", HEADER + b"\r\n", codecs.BOM_UTF8 + HEADER + b"\n"]),
    block_bytes=st.sampled_from([1, 3, 16, limits.BLOCK_BYTES]),
)
def test_any_bytes_are_read_as_a_plain_parser_reads_them_or_refused(
    shared_desk: Desk, rest: bytes, start: bytes, block_bytes: int
) -> None:
    with patch.object(limits, "BLOCK_BYTES", block_bytes):
        outcome = shared_desk.hand_in(start + rest)
    expected = _parse_plainly(start + rest)
    if isinstance(expected, set):
        assert outcome.reading.code in expected
    else:
        assert (outcome.reading.code, outcome.rows) == (None, expected)


@settings(max_examples=200, deadline=None)
@given(content=st.one_of(st.binary(max_size=40), LIKE_BYTES))
def test_no_bytes_raise(shared_desk: Desk, content: bytes) -> None:
    assert shared_desk.hand_in(content).reading.code is not None  # none of them has a header
