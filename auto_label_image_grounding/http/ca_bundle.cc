#include "auto_label_image_grounding/http/ca_bundle.h"

namespace alig {
namespace {

constexpr const char* kUsualPlaces[] = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // RHEL 7 and later
    "/etc/ssl/ca-bundle.pem",                             // SUSE
    "/etc/ssl/cert.pem",                                  // Alpine, BSD
    "/etc/pki/tls/cacert.pem",
};

}  // namespace

CaLocations find_ca_locations(const CaSearch& search) {
  const std::string directory = search.environment("SSL_CERT_DIR");
  for (const char* variable : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const std::string file = search.environment(variable);
    if (!file.empty()) return {file, directory};
  }
  if (!directory.empty()) return {"", directory};
  if (!search.built_in_file.empty() && search.file_exists(search.built_in_file)) {
    return {search.built_in_file, ""};
  }
  if (!search.built_in_directory.empty() && search.file_exists(search.built_in_directory)) {
    return {};
  }
  for (const char* place : kUsualPlaces) {
    if (search.file_exists(place)) return {place, ""};
  }
  return {};
}

}  // namespace alig
