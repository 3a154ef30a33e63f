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
    if (!file.empty()) return {file, directory, std::string(variable) + "=" + file};
  }
  if (!directory.empty()) return {"", directory, "SSL_CERT_DIR=" + directory};
  if (!search.built_in_file.empty() && search.file_exists(search.built_in_file)) {
    return {search.built_in_file, "", "the built-in bundle " + search.built_in_file};
  }
  if (!search.built_in_directory.empty() && search.file_exists(search.built_in_directory)) {
    return {"", "", "the built-in folder " + search.built_in_directory};
  }
  for (const char* place : kUsualPlaces) {
    if (search.file_exists(place)) return {place, "", std::string("the system's bundle ") + place};
  }
  return {"", "", "the built-in default"};
}

}  // namespace alig
