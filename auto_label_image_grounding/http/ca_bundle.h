// Locates the system CA bundle.
#pragma once

#include <functional>
#include <string>

namespace alig {

struct CaLocations {
  std::string file{};       // PEM bundle; empty: none, or curl's default
  std::string directory{};  // hashed directory; empty: none if `file` is set, else curl's default
  std::string origin{};     // for messages: "SSL_CERT_FILE=/ca.pem", "the built-in bundle …"
};

// What the search depends on, replaceable in tests.
struct CaSearch {
  std::function<std::string(const char*)> environment;  // empty if unset
  std::function<bool(const std::string&)> file_exists;  // also for directories
  std::string built_in_file{};
  std::string built_in_directory{};
};

// CURL_CA_BUNDLE, then SSL_CERT_FILE (and SSL_CERT_DIR), as in the curl program: their values are
// used even if the files do not exist, so that a typo causes an error instead of trust in something
// else. Then the built-in default if it exists; then the places where distributions keep the
// bundle, as a program built on one distribution may run on another.
CaLocations find_ca_locations(const CaSearch& search);

}  // namespace alig
