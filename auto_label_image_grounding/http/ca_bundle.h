// Where the certificates of the trusted authorities are on this machine.
#pragma once

#include <functional>
#include <string>

namespace alig {

struct CaLocations {
  std::string file{};       // PEM bundle; empty: none, or curl's default
  std::string directory{};  // hashed directory; empty: none beside a file, otherwise curl's default
};

// What the search looks at, so that tests can replace it.
struct CaSearch {
  std::function<std::string(const char*)> environment;  // empty where unset
  std::function<bool(const std::string&)> file_exists;  // also for directories
  std::string built_in_file{};
  std::string built_in_directory{};
};

// CURL_CA_BUNDLE, then SSL_CERT_FILE (and SSL_CERT_DIR), as the curl program has them: what they
// name is taken even where it does not exist, so that a typing error shows as an error instead of
// as trust in something else. Then the built-in default where it exists; then the places where
// distributions keep the bundle: a program built on one distribution runs on another.
CaLocations find_ca_locations(const CaSearch& search);

}  // namespace alig
