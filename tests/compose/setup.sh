# Sourced by tests/setup.sh: what tests/compose needs beyond an engine. Docker Compose, and Kafka for its stand-in image.

has_compose() { docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; }

has_compose || install_package docker-compose || true
has_compose || echo "No Docker Compose here: its tests will be skipped."

kafka="$cache/kafka-3.9.1"
kafka_sum=ffef343fbe3ab0249d7a1dbc02acd930cffd014213ead8defee6799fd410e9b7

has_kafka() { [ "$(cat "$kafka"/*.jar 2>/dev/null | sha256sum)" = "$kafka_sum  -" ]; }

fetch_kafka() {
    command -v mvn >/dev/null || install_package maven || return 1
    echo "Fetching Kafka, for the stand-in of its image"
    rm -rf "$kafka"
    mvn --quiet --batch-mode --file tests/compose/standins/pom.xml \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$kafka" >/dev/null
}

has_kafka || fetch_kafka || true
has_kafka || echo "No Kafka here: the tests of docker-compose.yml will be skipped."
