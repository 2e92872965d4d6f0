"""Saldo's orchestration: fetches files, loads them, calls dbt, delivers what dbt wrote."""
