#!/bin/sh
# Puts the broker's files in their places, with the rights that Mosquitto asks for, and sets the
# passwords of gateways and workflow services. Harmless to repeat: passwords of handsets stay.
#   prepare.sh SOURCE CONFIGURATION DATA ACCOUNT
# Of the environment: MQTT_GATEWAY_PASSWORD, MQTT_WORKFLOW_PASSWORD.
set -eu
umask 077
source=$1 configuration=$2 data=$3 account=$4
: "${MQTT_GATEWAY_PASSWORD:?}" "${MQTT_WORKFLOW_PASSWORD:?}"

mkdir -p "$configuration" "$data"
cp "$source/mosquitto.conf" "$configuration/mosquitto.conf"
cp "$source/acl" "$configuration/field-gateway.acl"

users=$configuration/field-gateway.passwords
[ -e "$users" ] || : >"$users"
mosquitto_passwd -b "$users" gateway "$MQTT_GATEWAY_PASSWORD"
mosquitto_passwd -b "$users" workflow "$MQTT_WORKFLOW_PASSWORD"

# Mosquitto runs as this account and from 2.1 on refuses files of others.
chown -R "$account" "$configuration" "$data"
