# Every target only calls: the work is in toolchain/ (python3 -m toolchain --help).
STACK ?= dev
MODEL ?=
FROM ?=
TO ?=
REFRESH ?=
SINCE ?=
FOLLOW ?=
NAME ?=
PROMETHEUS ?=
OUT ?=
PREVIEW ?=
BASE ?=
OUTPUT ?=
JSON ?=
ADVISORIES ?=
WHAT ?=
DATABASE ?=
SBOM ?=
TOOLCHAIN := python3 -m toolchain

.PHONY: up comment preview drift promote rollback recover compose render predict status report destroy down check test bench doctor

preview drift recover compose status destroy down:
	@$(TOOLCHAIN) $@ --stack "$(STACK)"

up:
	@$(TOOLCHAIN) up --stack "$(STACK)" $(if $(REFRESH),--refresh)

promote:
	@$(TOOLCHAIN) promote --model "$(MODEL)" --from "$(FROM)" --to "$(TO)"

rollback:
	@$(TOOLCHAIN) rollback --model "$(MODEL)" --stack "$(STACK)"

.PHONY: sbom provenance
sbom provenance:
	@$(TOOLCHAIN) $@ --model "$(MODEL)" --stack "$(STACK)"

render:
	@$(TOOLCHAIN) render --stack "$(STACK)" $(if $(OUT),--out "$(OUT)")

predict:
	@$(TOOLCHAIN) predict --stack "$(STACK)" $(if $(MODEL),--model "$(MODEL)")

report:
	@$(TOOLCHAIN) report --stack "$(STACK)" $(if $(PROMETHEUS),--prometheus "$(PROMETHEUS)")

comment:
	@$(TOOLCHAIN) comment --stack "$(STACK)" $(if $(PREVIEW),--preview "$(PREVIEW)") $(if $(BASE),--base "$(BASE)") \
		$(if $(OUTPUT),--output "$(OUTPUT)")

.PHONY: logs
logs:
	@$(TOOLCHAIN) logs --stack "$(STACK)" $(if $(MODEL),--model "$(MODEL)") $(if $(SINCE),--since "$(SINCE)") \
		$(if $(filter 0 no false,$(FOLLOW)),--no-follow)

check test doctor:
	@$(TOOLCHAIN) $@

bench:
	@$(TOOLCHAIN) bench "$(NAME)" $(if $(JSON),--json "$(JSON)")

.PHONY: audit update scan
audit:
	@$(TOOLCHAIN) audit $(if $(ADVISORIES),--advisories "$(ADVISORIES)")

update:
	@$(TOOLCHAIN) update $(WHAT)

scan:
	@$(TOOLCHAIN) scan $(if $(SBOM),--sbom "$(SBOM)",--stack "$(STACK)" $(if $(MODEL),--model "$(MODEL)")) $(if $(DATABASE),--database "$(DATABASE)")
