#!/bin/bash
# Writes server.properties from KAFKA_… variables, formats the storage once and runs the broker.
set -eu

config=/tmp/server.properties
env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r name value; do
    name=${name#KAFKA_}
    name=${name,,}
    printf '%s=%s\n' "${name//_/.}" "$value"
done >"$config"
java=(java -cp '/opt/kafka/libs/*' -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
[ -e "$KAFKA_LOG_DIRS/meta.properties" ] ||
    "${java[@]}" kafka.tools.StorageTool format --config "$config" --cluster-id "$CLUSTER_ID"
# shellcheck disable=SC2086
exec "${java[@]}" ${KAFKA_HEAP_OPTS:-} kafka.Kafka "$config"
