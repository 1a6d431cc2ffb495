# Every target only calls: the work is in toolchain/ (python3 -m toolchain --help).
STACK ?= dev
MODEL ?=
NAME ?=
PROMETHEUS ?=
JSON ?=
TOOLCHAIN := python3 -m toolchain

.PHONY: up preview recover compose predict status report destroy down check test bench doctor

up preview recover compose status destroy down:
	@$(TOOLCHAIN) $@ --stack "$(STACK)"

predict:
	@$(TOOLCHAIN) predict --stack "$(STACK)" $(if $(MODEL),--model "$(MODEL)")

report:
	@$(TOOLCHAIN) report --stack "$(STACK)" $(if $(PROMETHEUS),--prometheus "$(PROMETHEUS)")

check test doctor:
	@$(TOOLCHAIN) $@

bench:
	@$(TOOLCHAIN) bench "$(NAME)" $(if $(JSON),--json "$(JSON)")
