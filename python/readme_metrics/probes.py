"""`PROBES`: rules that leave out health checks of load balancers, orchestrators and uptime monitors."""

from __future__ import annotations

from typing import NamedTuple

from readme_metrics.rule import Rule


class Probe(NamedTuple):
    """One program that asks whether an app is alive, and how its requests are recognised."""

    #: As in a rule.
    pattern: str
    #: A user agent, or a path, as it has been seen.
    example: str
    #: Where it is written down: the sender's source or documentation, else a public list of user agents with examples.
    source: str


#: Lists of user agents that were seen, with who sends them.
_DEVICE_DETECTOR = "https://github.com/matomo-org/device-detector/blob/master/Tests/fixtures/bots.yml"
_CRAWLERS = "https://github.com/monperrus/crawler-user-agents/blob/master/crawler-user-agents.json"
_ROUTE_53 = "https://repost.aws/knowledge-center/route-53-fix-unwanted-health-checks"
_KUBERNETES = "https://kubernetes.io/docs/reference/using-api/health-checks/"
_PROMETHEUS = "https://prometheus.io/docs/prometheus/latest/management_api/"
_MICROPROFILE = (
    "https://github.com/eclipse/microprofile-health/blob/main/spec/src/main/asciidoc/protocol-wireformat.asciidoc"
)
_APP_ENGINE = "https://cloud.google.com/appengine/docs/flexible/reference/app-yaml"
_DOCKERFLOW = "https://github.com/mozilla-services/Dockerflow"
_LINKERD = "https://github.com/linkerd/linkerd2-proxy/blob/main/linkerd/app/admin/src/server.rs"
_DROPWIZARD = "https://www.dropwizard.io/en/stable/manual/core.html"

USER_AGENTS = (
    Probe(
        "kube-probe/*",
        "kube-probe/1.31",
        "https://github.com/kubernetes/kubernetes/blob/master/pkg/probe/http/request.go",
    ),
    Probe("ELB-HealthChecker/*", "ELB-HealthChecker/2.0", _DEVICE_DETECTOR),
    Probe(
        "Amazon-Route53-Health-Check-Service*",
        "Amazon-Route53-Health-Check-Service (ref b5996862-d894-4595-88da-7940808e9665; report http://amzn.to/1vsZADi)",
        _ROUTE_53,
    ),
    Probe(
        "Amazon Route 53 Health Check Service*",
        "Amazon Route 53 Health Check Service; ref:b5996862-d894-4595-88da-7940808e9665; report http://amzn.to/1vsZADi",
        _ROUTE_53,
    ),
    Probe(
        "GoogleHC/*",
        "GoogleHC/1.0",
        "https://cloud.google.com/load-balancing/docs/health-check-concepts",
    ),
    Probe(
        "GoogleStackdriverMonitoring*",
        "GoogleStackdriverMonitoring-UptimeChecks(https://cloud.google.com/monitoring)",
        _DEVICE_DETECTOR,
    ),
    Probe(
        "Azure Traffic Manager Endpoint Monitor",
        "Azure Traffic Manager Endpoint Monitor",
        "https://learn.microsoft.com/azure/traffic-manager/traffic-manager-monitoring",
    ),
    Probe(
        "Edge Health Probe",
        "Edge Health Probe",
        "https://learn.microsoft.com/azure/frontdoor/health-probes",
    ),
    Probe(
        "Mozilla/5.0 (compatible; Cloudflare-Healthchecks/*",
        "Mozilla/5.0 (compatible; Cloudflare-Healthchecks/1.0; +https://www.cloudflare.com/; healthcheck-id: A)",
        _CRAWLERS,
    ),
    Probe(
        "DigitalOcean Uptime Probe *",
        "DigitalOcean Uptime Probe 0.22.0 (https://digitalocean.com)",
        "https://docs.digitalocean.com/products/uptime/",
    ),
    Probe(
        "Consul Health Check",
        "Consul Health Check",
        "https://github.com/hashicorp/consul/blob/main/agent/checks/check.go",
    ),
    Probe(
        "Blackbox Exporter/*",
        "Blackbox Exporter/0.24.0",
        "https://github.com/prometheus/blackbox_exporter/blob/master/prober/http.go",
    ),
    Probe(
        "Uptime-Kuma/*",
        "Uptime-Kuma/1.23.16",
        "https://github.com/louislam/uptime-kuma/blob/master/server/model/monitor.js",
    ),
    Probe("Pingdom.com_bot*", "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)", _DEVICE_DETECTOR),
    Probe(
        "Mozilla/5.0*UptimeRobot/*",
        "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        _DEVICE_DETECTOR,
    ),
    Probe(
        "*StatusCake*",
        "Mozilla/5.0 (Windows NT 6.2; WOW64) AppleWebKit/537.4 (KHTML, like Gecko) Chrome/98 Safari/537.4 (StatusCake)",
        _DEVICE_DETECTOR,
    ),
    Probe(
        "Better Uptime Bot*",
        "Better Uptime Bot Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)",
        _DEVICE_DETECTOR,
    ),
    Probe(
        "Better Stack Better Uptime Bot*",
        "Better Stack Better Uptime Bot Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
        "https://betterstack.com/docs/uptime/frequently-asked-questions/",
    ),
    Probe("*Site24x7*", "Site24x7", _DEVICE_DETECTOR),
)

#: Asked with GET or HEAD. A path of an app's own API may be among them.
PATHS = (
    Probe("/healthz", "/healthz", _KUBERNETES),
    Probe("/healthz/", "/healthz/", _KUBERNETES),
    Probe("/livez", "/livez", _KUBERNETES),
    Probe("/readyz", "/readyz", _KUBERNETES),
    Probe("/health", "/health", _MICROPROFILE),
    Probe("/health/", "/health/", _MICROPROFILE),
    Probe("/health/live", "/health/live", _MICROPROFILE),
    Probe("/health/ready", "/health/ready", _MICROPROFILE),
    Probe("/health/started", "/health/started", _MICROPROFILE),
    Probe("/healthcheck", "/healthcheck", _DROPWIZARD),
    Probe("/ping", "/ping", _DROPWIZARD),
    Probe("/live", "/live", _LINKERD),
    Probe("/ready", "/ready", _LINKERD),
    Probe("/liveness_check", "/liveness_check", _APP_ENGINE),
    Probe("/readiness_check", "/readiness_check", _APP_ENGINE),
    Probe("/metrics", "/metrics", "https://prometheus.io/docs/prometheus/latest/configuration/configuration/"),
    Probe("/-/healthy", "/-/healthy", _PROMETHEUS),
    Probe("/-/ready", "/-/ready", _PROMETHEUS),
    Probe("/__heartbeat__", "/__heartbeat__", _DOCKERFLOW),
    Probe("/__lbheartbeat__", "/__lbheartbeat__", _DOCKERFLOW),
)

#: Leave them out: `rules=[*PROBES, ...]`. Off by default.
PROBES = (
    Rule(user_agent=[probe.pattern for probe in USER_AGENTS], log=False),
    Rule(path=[probe.pattern for probe in PATHS], method=["GET", "HEAD"], log=False),
)
