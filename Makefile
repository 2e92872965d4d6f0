# Each target is one line of a standard tool; .venv is made when requirements-dev.txt changes.
SALDO_HOME ?= data
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# With SALDO_TARGET=spark or spark_connect, the environment that has PySpark, too.
READY := $(VENV)/$(if $(filter spark spark_connect,$(SALDO_TARGET)),spark/)ready
export SALDO_HOME
export PATH := $(CURDIR)/$(dir $(READY))bin:$(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-deep test-spark test-spark-deep soak bench dev pages run report verify lint docs sql lock bank-holidays clean

demo: SALDO_HOME := $(if $(filter-out data,$(SALDO_HOME)),$(SALDO_HOME),data/demo)
demo: $(READY) ## three business dates of three sample organizations
	python -m orchestration.devtools.demo

test: $(VENV)/ready ## every test
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-deep: $(VENV)/ready ## ten thousand random histories
	SALDO_HISTORIES=10000 python -m pytest tests/orchestration/test_histories.py

SPARK_PYTEST := $(VENV)/spark/bin/python -m pytest -p no:xdist
test-spark: $(VENV)/spark/ready ## the same rows on Apache Spark as on DuckDB: the demo; needs Java 17
	$(SPARK_PYTEST) tests/spark/test_demo.py

test-spark-deep: $(VENV)/spark/ready ## random histories, unit tests of dbt, days by the command, and on a cluster
	$(SPARK_PYTEST) tests/spark --ignore tests/spark/test_demo.py

soak: $(VENV)/ready ## a month beside the daemon, with faults and killed runs: make soak DATES=30
	SALDO_SOAK_DATES=$(or $(DATES),30) SALDO_SOAK_KILLS=2 python -m pytest --capture no tests/orchestration/test_soak.py

# The case `spark` is the only one that needs PySpark, and Java.
bench: $(VENV)/ready $(VENV)/peers/ready $(if $(findstring spark,$(CASES)),$(VENV)/spark/ready) ## speed and size: make bench SIZE=10000000
	SIZE=$(SIZE) REPEATS=$(REPEATS) YEAR_DAYS=$(YEAR_DAYS) CASES=$(CASES) PEERS_PYTHON=$(abspath $(VENV))/peers/bin/python SPARK_SIZES=$(SPARK_SIZES) SPARK_PYTHON=$(abspath $(VENV))/spark/bin/python python -m tests.bench

dev: $(READY) ## Dagster's UI and its daemon on this machine
	python -m orchestration webserver --with-daemon

pages: $(READY) ## the console in a browser on this machine: organizations, debts, files, customers
	python -m orchestration pages

run: $(READY) ## one business date: make run DATE=2026-03-02
	python -m orchestration run $(if $(DATE),--date $(DATE))

report: $(READY) ## a business date as one HTML file: make report DATE=2026-03-02
	python -m orchestration report $(if $(DATE),--date $(DATE))

verify: $(READY) ## is what landed whole, and does all that was made of it agree
	python -m orchestration verify

lint: $(VENV)/ready ## ruff, mypy, sqlfluff, and SQL that only one engine knows
	ruff check . && ruff format --check . && mypy && sqlfluff lint models tests macros && python -m orchestration.devtools.portability

docs: $(VENV)/ready ## dbt's documentation as one file, SALDO_HOME/docs/static_index.html
	python -m orchestration.devtools.documentation

sql: $(VENV)/ready ## a prompt on what analysts read
	duckdb -readonly "$$SALDO_HOME/analytics.duckdb"

lock: ## pin what pyproject.toml asks for
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml --group dev --output-file requirements-dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml --constraints requirements-dev.txt --output-file requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --group bench --output-file requirements-bench.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --group spark --constraints requirements-dev.txt --output-file requirements-spark.txt

bank-holidays: $(VENV)/ready ## write bank_holidays.csv into SALDO_SEEDS from the library
	python -m orchestration.devtools.bank_holidays

clean: ## all but what SALDO_HOME holds
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The last line but one lets every tool find the project's modules: CONTRIBUTING.md, Packages.
$(VENV)/ready: requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement requirements-dev.txt
	pwd > "$$(echo $(VENV)/lib/python3*/site-packages)/saldo.pth"
	touch $@

$(VENV)/peers/ready: requirements-bench.txt | $(VENV)/ready
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement requirements-bench.txt
	touch $@

# Beside PySpark, whatever is in .venv. PySpark is out as source only; what builds it is in .venv, too,
# and pip of .venv installs it: that of a new environment would come with an older builder.
$(VENV)/spark/ready: requirements-spark.txt orchestration/devtools/spark_jars.py | $(VENV)/ready
	$(PYTHON) -m venv --without-pip $(@D)
	(pwd; echo "$$PWD"/$(VENV)/lib/python3*/site-packages) > "$$(echo $(@D)/lib/python3*/site-packages)/saldo.pth"
	$(BIN)/pip --python $(@D)/bin/python install --quiet --no-deps --require-hashes --no-build-isolation --only-binary :all: --no-binary pyspark --requirement requirements-spark.txt
	$(@D)/bin/python -m orchestration.devtools.spark_jars
	touch $@
