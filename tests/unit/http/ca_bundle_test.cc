#include "auto_label_image_grounding/http/ca_bundle.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace alig {
namespace {

using Environment = std::map<std::string, std::string>;
using Files = std::set<std::string>;

struct Case {
  const char* what;
  Environment environment;
  Files files;
  std::string built_in;
  std::string expected_file;
  std::string expected_directory;
};

TEST(CaBundle, IsFoundInThisOrder) {
  const std::string debian = "/etc/ssl/certs/ca-certificates.crt";
  const std::string fedora = "/etc/pki/tls/certs/ca-bundle.crt";
  const Case cases[] = {
      {"nothing anywhere", {}, {}, "/built/in", "", ""},
      {"built-in default exists", {}, {"/built/in", debian}, "/built/in", "/built/in", ""},
      {"built elsewhere", {}, {fedora}, debian, fedora, ""},
      {"no built-in default", {}, {debian, fedora}, "", debian, ""},
      {"SSL_CERT_FILE", {{"SSL_CERT_FILE", "/a"}}, {"/a", "/built/in"}, "/built/in", "/a", ""},
      {"curl's own first", {{"SSL_CERT_FILE", "/a"}, {"CURL_CA_BUNDLE", "/b"}}, {}, "", "/b", ""},
      {"named but missing", {{"SSL_CERT_FILE", "/typo"}}, {debian}, debian, "/typo", ""},
      {"directory", {{"SSL_CERT_DIR", "/d"}}, {debian}, debian, "", "/d"},
      {"both", {{"SSL_CERT_DIR", "/d"}, {"SSL_CERT_FILE", "/a"}}, {}, "", "/a", "/d"},
      {"empty variable", {{"SSL_CERT_FILE", ""}}, {debian}, debian, debian, ""},
  };
  for (const Case& c : cases) {
    CaSearch search;
    search.environment = [&](const char* name) {
      const auto entry = c.environment.find(name);
      return entry == c.environment.end() ? std::string() : entry->second;
    };
    search.file_exists = [&](const std::string& path) { return c.files.count(path) > 0; };
    search.built_in_file = c.built_in;
    const CaLocations found = find_ca_locations(search);
    EXPECT_EQ(found.file, c.expected_file) << c.what;
    EXPECT_EQ(found.directory, c.expected_directory) << c.what;
  }
}

TEST(CaBundle, SaysWhereItIsFrom) {
  const auto origin = [](const Environment& environment, const Files& files) {
    CaSearch search;
    search.environment = [&](const char* name) {
      const auto entry = environment.find(name);
      return entry == environment.end() ? std::string() : entry->second;
    };
    search.file_exists = [&](const std::string& path) { return files.count(path) > 0; };
    search.built_in_file = "/built/in";
    search.built_in_directory = "/built/folder";
    return find_ca_locations(search).origin;
  };
  EXPECT_EQ(origin({{"CURL_CA_BUNDLE", "/a"}, {"SSL_CERT_FILE", "/b"}}, {}), "CURL_CA_BUNDLE=/a");
  EXPECT_EQ(origin({{"SSL_CERT_FILE", "/b"}}, {}), "SSL_CERT_FILE=/b");
  EXPECT_EQ(origin({{"SSL_CERT_DIR", "/d"}}, {}), "SSL_CERT_DIR=/d");
  EXPECT_EQ(origin({}, {"/built/in"}), "the built-in bundle /built/in");
  EXPECT_EQ(origin({}, {"/built/folder"}), "the built-in folder /built/folder");
  EXPECT_EQ(origin({}, {"/etc/ssl/cert.pem"}), "the system's bundle /etc/ssl/cert.pem");
  EXPECT_EQ(origin({}, {}), "the built-in default");
}

}  // namespace
}  // namespace alig
