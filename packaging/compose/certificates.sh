#!/bin/sh
# Makes the certificates of the containers by openssl: sh certificates.sh FOLDER SERVICE...
#
# FOLDER/authority has a certificate authority and its key, FOLDER/SERVICE the certificate of a service (tls.crt, tls.key)
# and the authority (ca.crt), FOLDER/clients only the authority. Files that exist stay as they are: put certificates of
# your own there, under these names, or delete a pair to get a new one. CERTIFICATE_NAMES holds further names and addresses
# of this machine, separated by commas.
set -eu
umask 077

days_of_authority=3650
days_of_service=825
account=1000  # of all containers that read a key

folder=$1
shift
mkdir -p "$folder"
cd "$folder"

failed() {
  echo "error: $1" >&2
  exit 1
}

make_authority() {
  mkdir -p authority
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out authority/ca.key.new
  openssl req -x509 -new -key authority/ca.key.new -days "$days_of_authority" -subj "/CN=Model monitor's authority" \
    -addext keyUsage=critical,keyCertSign,cRLSign -out authority/ca.crt.new
  mv authority/ca.key.new authority/ca.key
  mv authority/ca.crt.new authority/ca.crt
  echo "made $folder/authority"
}

# Prints the names of a service as an extension: DNS:agent,DNS:localhost,IP:127.0.0.1, and those of CERTIFICATE_NAMES.
names_of() {
  printf 'DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1' "$1"
  for name in $(echo "${CERTIFICATE_NAMES:-}" | tr ',' ' '); do
    case $name in
      *:*) printf ',IP:%s' "$name" ;;
      *[!0-9.]*) printf ',DNS:%s' "$name" ;;
      *) printf ',IP:%s' "$name" ;;
    esac
  done
}

make_certificate() {
  service=$1
  [ -f authority/ca.key ] || failed "$folder/$service has no tls.crt and tls.key, and there is no authority/ca.key: \
add the pair, or remove $folder/clients/ca.crt to get new certificates"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$service/tls.key.new"
  {
    echo "basicConstraints=critical,CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=serverAuth,clientAuth"
    echo "subjectKeyIdentifier=hash"
    echo "authorityKeyIdentifier=keyid"
    echo "subjectAltName=$(names_of "$service")"
  } >"$service/extensions"
  openssl req -new -key "$service/tls.key.new" -subj "/CN=$service" |
    openssl x509 -req -CA authority/ca.crt -CAkey authority/ca.key -days "$days_of_service" \
      -extfile "$service/extensions" -out "$service/tls.crt.new" 2>/dev/null
  rm "$service/extensions"
  mv "$service/tls.key.new" "$service/tls.key"
  mv "$service/tls.crt.new" "$service/tls.crt"
  echo "made $folder/$service"
}

mkdir -p clients
[ -f clients/ca.crt ] || [ -f authority/ca.crt ] || make_authority
[ -f clients/ca.crt ] || cp authority/ca.crt clients/ca.crt
for service in "$@"; do
  mkdir -p "$service"
  if [ ! -f "$service/tls.crt" ] && [ ! -f "$service/tls.key" ]; then
    make_certificate "$service"
  elif [ ! -f "$service/tls.crt" ] || [ ! -f "$service/tls.key" ]; then
    failed "$folder/$service has only one of tls.crt and tls.key: add the other one, or remove it to get new ones"
  fi
  [ -f "$service/ca.crt" ] || cp clients/ca.crt "$service/ca.crt"
done

# Everybody may read certificates; a key belongs to the account of the containers alone.
chmod 755 . clients "$@"
chmod 644 clients/ca.crt
for service in "$@"; do
  chmod 644 "$service/ca.crt" "$service/tls.crt"
  chmod 600 "$service/tls.key"
  [ "$(id -u)" -ne 0 ] || chown "$account" "$service/tls.key"
done
