"""The probes of a pod as Docker has them: one command inside of the container.

Docker's health is what readiness is in a cluster, for which other containers wait; while a model loads, the failures
of the startup probe do not count. Nothing restarts a server for its liveness.
"""

from typing import Any

# In our own images there is Python and no program to ask a URL; not `urllib`, which takes longer to import, and would
# ask a proxy of the environment. As the kubelet: 2xx and 3xx are healthy.
_PYTHON = (
    "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=float(sys.argv[3]))"
    "; c.request('GET', sys.argv[2]); sys.exit(not 200 <= c.getresponse().status < 400)"
)
# Other images have one or another; one with none of these cannot be asked from inside, and never becomes healthy.
_ANY = """\
if command -v curl >/dev/null; then exec curl -fsS --noproxy '*' --max-time "$3" -o /dev/null "http://127.0.0.1:$1$2"
elif command -v python3 >/dev/null; then exec python3 -I -c "$4" "$1" "$2" "$3"
elif command -v wget >/dev/null; then exec wget -q -T "$3" -O /dev/null "http://127.0.0.1:$1$2"
elif command -v bash >/dev/null; then exec bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" &&
  printf "GET %s HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n" "$1" >&3 &&
  read -r _ status _ <&3 && [[ $status == [23]* ]]' "$1" "$2"
fi
echo "the image has none of curl, python3, wget and bash to ask for $2 with" >&2
exit 1"""


def health_check(container: Any, *, own: bool) -> dict[str, Any]:
    """The health check of a pod's container; `own`: its image is one of this project's."""
    readiness, startup = container["readiness_probe"], container["startup_probe"]
    ports = {port["name"]: port["container_port"] for port in container["ports"]}
    asked = readiness["http_get"]
    timeout = readiness["timeout_seconds"]
    arguments = [str(ports[asked["port"]]), asked["path"], str(timeout)]
    # -I: neither the working directory nor the environment says where modules are.
    command = ["python3", "-I", "-c", _PYTHON] if own else ["sh", "-c", _ANY, "sh"]
    return {
        "test": ["CMD", *command, *arguments, *([] if own else [_PYTHON])],
        "interval": f"{readiness['period_seconds']}s",
        "timeout": f"{timeout}s",
        "retries": readiness["failure_threshold"],
        "start_period": f"{startup['period_seconds'] * startup['failure_threshold']}s",
    }
