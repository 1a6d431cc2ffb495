# Every target only calls: the work is in toolchain/ (python3 -m toolchain --help).
STACK ?= dev
MODEL ?=
NAME ?=
JSON ?=
TOOLCHAIN := python3 -m toolchain

.PHONY: up preview recover predict status destroy down check test bench doctor

up preview recover status destroy down:
	@$(TOOLCHAIN) $@ --stack "$(STACK)"

predict:
	@$(TOOLCHAIN) predict --stack "$(STACK)" $(if $(MODEL),--model "$(MODEL)")

check test doctor:
	@$(TOOLCHAIN) $@

bench:
	@$(TOOLCHAIN) bench "$(NAME)" $(if $(JSON),--json "$(JSON)")
