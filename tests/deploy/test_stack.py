"""What starts Headwater elsewhere: valid files that agree with the code and with each other."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from agents.metrics import READS
from agents.settings import BOOTSTRAP_VARIABLE, HTTP_VARIABLE, SLOT_VARIABLE, read_settings
from deploy.grafana.panels import DOCS
from schemas.plan.check import load_plan
from schemas.sinks import load_sinks
from streams.catalogue import catalogue_ids
from streams.topology import Partitions

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
KUBERNETES = ROOT / "deploy" / "kubernetes"
DELIVERY = KUBERNETES / "delivery"
GRAFANA = ROOT / "deploy" / "grafana"
OTHERS = ("monitoring.coreos.com/v1", "keda.sh/v1alpha1", "kustomize.config.k8s.io/v1beta1")
"""Kinds of which Kubernetes itself has no schema."""
SCHEMAS = "1.31"


def composed(text: str) -> dict[str, Any]:
    """A compose file as its engine reads it when no variable is set."""
    found: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text))
    return found


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


STACK = composed(COMPOSE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
PROMETHEUS = loaded(ROOT / "deploy" / "prometheus" / "prometheus.yml")
OBJECTS = [
    found
    for path in sorted(KUBERNETES.glob("*.yaml"))
    for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]


def one(kind: str) -> dict[str, Any]:
    (found,) = (each for each in OBJECTS if each["kind"] == kind)
    return found


def pod(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = one(kind)["spec"]["template"]["spec"]
    return found


def image_port() -> int:
    """Where a worker of the image listens."""
    (listens,) = re.findall(rf"^ENV {HTTP_VARIABLE}=(\S+)$", DOCKERFILE, re.MULTILINE)
    address = read_settings("a:1", (), "w", {}, http=listens).http
    assert address is not None
    return address.port


def published(service: str) -> list[int]:
    """Ports inside the container that are reached from outside."""
    return [int(each.rpartition(":")[2]) for each in SERVICES[service]["ports"]]


# ---- docker compose


def test_the_compose_file_is_as_the_specification_says():
    PyCompose.from_json(json.dumps(STACK))
    wrong = composed(COMPOSE.read_text().replace("stop_grace_period", "grace_period"))
    with pytest.raises(ValueError, match="grace_period"):
        PyCompose.from_json(json.dumps(wrong))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_names_only_what_there_is(name: str):
    service = SERVICES[name]
    assert set(service.get("depends_on", ())) <= SERVICES.keys()
    for volume in service.get("volumes", ()):
        source = volume.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists()
        else:
            assert source in STACK["volumes"]
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), "nobody is asked for a password"


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_our_own_or_of_one_release(name: str):
    service = SERVICES[name]
    if "build" in service:
        assert service["image"] == "headwater:local"
    else:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", service["image"])


def test_the_images_are_of_the_releases_that_are_tested():
    kafka = (ROOT / "deploy" / "kafka" / "pom.xml").read_text(encoding="utf-8")
    (version,) = re.findall(r"<kafka.version>(.+)</kafka.version>", kafka)
    used = {s["image"] for s in SERVICES.values() if s["image"].startswith("apache/kafka")}
    assert used == {f"apache/kafka:{version}"}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    developers = project["optional-dependencies"]["dev"]
    (sdk,) = (each for each in developers if each.startswith("grafana-foundation-sdk"))
    grafana = SERVICES["grafana"]["image"].partition(":")[2].rpartition(".")[0]
    assert sdk.partition("!")[2] == f"{grafana}.0"

    pythons = set(re.findall(r"^FROM python:(\S+)-slim", DOCKERFILE, re.MULTILINE))
    assert project["requires-python"] == f">={pythons.pop()}"
    assert pythons == set()


def test_prometheus_scrapes_the_workers_and_tells_the_alertmanager():
    workers = {name for name in SERVICES if name.startswith("worker-")}
    job, delivery = PROMETHEUS["scrape_configs"]
    (targets,) = job["static_configs"]
    assert delivery["static_configs"] == [{"targets": [f"deliverer:{image_port()}"]}]
    assert "deliverer" in SERVICES
    assert set(targets["targets"]) == {f"{name}:{image_port()}" for name in workers}
    assert all(published(name) == [image_port()] for name in workers)

    (managers,) = PROMETHEUS["alerting"]["alertmanagers"]
    (target,) = managers["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    assert published(name) == [int(port)]


def test_prometheus_finds_its_configuration_where_it_is_mounted():
    mounted = dict(v.split(":")[:2] for v in SERVICES["prometheus"]["volumes"])
    options = dict(o.split("=") for o in SERVICES["prometheus"]["command"])
    config = Path(options["--config.file"])
    assert mounted["./deploy/prometheus"] == str(config.parent)
    assert (ROOT / "deploy" / "prometheus" / config.name).exists()
    assert mounted["prometheus"] == options["--storage.tsdb.path"]
    for rules in PROMETHEUS["rule_files"]:
        assert (ROOT / "deploy" / "prometheus" / rules).exists()


def test_grafana_finds_its_dashboards_and_prometheus():
    mounted = dict(v.split(":")[:2] for v in SERVICES["grafana"]["volumes"])
    (provider,) = loaded(GRAFANA / "provisioning/dashboards/headwater.yml")["providers"]
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (GRAFANA / "dashboards" / home.name).exists()

    (source,) = loaded(GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"]
    url = urlsplit(source["url"])
    assert url.hostname is not None
    assert published(url.hostname) == [url.port]
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_links_to_definitions_lead_to_the_documentation():
    assert published("docs") == [urlsplit(DOCS).port]
    assert SERVICES["docs"]["ports"] == [f"127.0.0.1:{urlsplit(DOCS).port}:{published('docs')[0]}"]
    words = SERVICES["docs"]["entrypoint"]
    assert words[3] == str(published("docs")[0])
    assert SERVICES["docs"]["volumes"] == [f"./docs:{words[-1]}:ro"]


def test_the_topic_that_is_made_is_the_one_that_the_plan_reads():
    (plan,) = (v for v in SERVICES["topics"]["volumes"] if "plan.yaml" in v)
    inputs = load_plan(ROOT / plan.split(":")[0], known_kpis=catalogue_ids()).inputs
    assert [f"--topic={input.topic}" for input in inputs] == [
        word for word in SERVICES["input"]["command"] if word.startswith("--topic=")
    ]


def test_the_sinks_that_come_with_the_stack_need_only_what_it_passes_on():
    deliverer = SERVICES["deliverer"]
    mounted = dict(volume.split(":")[1::-1] for volume in deliverer["volumes"])
    sinks, plan = deliverer["command"][2], deliverer["command"][4]
    given = dict.fromkeys(deliverer["environment"], "https://chat.example.com/hook")
    loaded_plan = load_plan(ROOT / mounted[plan], known_kpis=catalogue_ids())
    assert list(load_sinks(ROOT / mounted[sinks], given, loaded_plan)) == ["chat"]


# ---- Kubernetes


@pytest.mark.parametrize("found", OBJECTS, ids=lambda found: found["kind"])
def test_an_object_is_as_kubernetes_asks(found: dict[str, Any]):
    if found["apiVersion"] not in OTHERS:
        kubernetes_validate.validate(found, SCHEMAS, strict=True)


def test_a_misspelt_field_is_found():
    wrong = json.loads(json.dumps(one("StatefulSet")).replace("readinessProbe", "readyProbe"))
    with pytest.raises(kubernetes_validate.utils.ValidationError, match="readyProbe"):
        kubernetes_validate.validate(wrong, SCHEMAS, strict=True)


def test_all_files_are_applied_and_the_plan_is_where_they_look_for_it():
    kustomization = one("Kustomization")
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    (plan,) = kustomization["configMapGenerator"]
    for kind in ("StatefulSet", "Job"):
        (container,) = pod(kind)["containers"]
        (mount,) = container["volumeMounts"]
        (volume,) = pod(kind)["volumes"]
        assert volume["configMap"]["name"] == plan["name"]
        assert f"{mount['mountPath']}/{plan['files'][0]}" in container["args"]


def test_probes_and_scrapes_go_to_the_pages_of_a_worker():
    (worker,) = pod("StatefulSet")["containers"]
    (port,) = worker["ports"]
    assert port["containerPort"] == image_port()
    assert worker["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert worker["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    (scrape,) = one("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert (scrape["port"], scrape["path"]) == (port["name"], "/metrics")
    (job,) = (rule for rule in scrape["relabelings"] if rule["targetLabel"] == "job")
    assert job["replacement"] == PROMETHEUS["scrape_configs"][0]["job_name"]


def test_selectors_select_the_workers():
    labels = one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert one("StatefulSet")["spec"]["serviceName"] == one("Service")["metadata"]["name"]
    assert one("Service")["spec"]["selector"] == labels
    for kind in ("StatefulSet", "PodDisruptionBudget", "PodMonitor"):
        assert one(kind)["spec"]["selector"]["matchLabels"] == labels


def test_no_worker_is_added_that_would_have_nothing_to_do():
    spec = one("ScaledObject")["spec"]
    assert spec["scaleTargetRef"]["name"] == one("StatefulSet")["metadata"]["name"]
    assert spec["maxReplicaCount"] == max(Partitions().accounts, Partitions().users)
    (trigger,) = spec["triggers"]
    (metric,) = re.findall(r"headwater_(\w+)", trigger["metadata"]["query"])[:1]
    assert metric in {read.name for read in READS}


def test_the_component_that_delivers_is_whole():
    component = loaded(DELIVERY / "kustomization.yaml")
    (deployment,) = (loaded(DELIVERY / name) for name in component["resources"])
    kubernetes_validate.validate(deployment, SCHEMAS, strict=True)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert labels != one("StatefulSet")["spec"]["template"]["metadata"]["labels"]

    spec = deployment["spec"]["template"]["spec"]
    assert spec["securityContext"] == pod("StatefulSet")["securityContext"]
    (container,) = spec["containers"]
    assert [each["containerPort"] for each in container["ports"]] == [image_port()]
    made = (*one("Kustomization")["configMapGenerator"], *component["configMapGenerator"])
    maps = {each["name"]: each["files"] for each in made}
    paths = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    for volume in spec["volumes"]:
        (file,) = maps[volume["configMap"]["name"]]
        assert f"{paths[volume['name']]}/{file}" in container["args"]


def test_variables_are_those_that_settings_read():
    texts = [DOCKERFILE, COMPOSE.read_text(), *(p.read_text() for p in KUBERNETES.rglob("*.yaml"))]
    named = {name for text in texts for name in re.findall(r"\bHEADWATER_[A-Z_]+", text)}
    assert named <= {BOOTSTRAP_VARIABLE, HTTP_VARIABLE, SLOT_VARIABLE}


def test_nothing_runs_as_root():
    users = re.findall(r"^RUN useradd .*--uid (\d+) .*?(\w+)$", DOCKERFILE, re.MULTILINE)
    ((uid, name),) = users
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == [name]
    for kind in ("StatefulSet", "Job"):
        context = pod(kind)["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, int(uid))
