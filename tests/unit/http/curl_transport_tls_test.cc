// TLS against a server with a certificate of its own making.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "auto_label_image_grounding/http/curl_transport.h"
#include "loopback_server.h"
#include "test_support.h"

namespace alig {
namespace {

using testing::always;
using testing::Connection;
using testing::LoopbackServer;
using testing::post;
using testing::send_and_wait;

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;

// Self-signed, for the address `ip`, valid for a day.
Certificate self_signed(EVP_PKEY* key, const std::string& ip) {
  Certificate made(X509_new());
  X509* certificate = made.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  const std::string alternative = "IP:" + ip;
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());
  return made;
}

// Sets a variable (null: unsets it) until the end of a scope.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  ~ScopedVariable() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class CurlTransportTls : public ::testing::Test {
 protected:
  void serve_certificate_for(const std::string& ip) {
    key_.reset(EVP_EC_gen("P-256"));
    certificate_ = self_signed(key_.get(), ip);
    context_.reset(SSL_CTX_new(TLS_server_method()));
    ASSERT_EQ(SSL_CTX_use_certificate(context_.get(), certificate_.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(context_.get(), key_.get()), 1);
    FILE* file = std::fopen(bundle().c_str(), "w");
    ASSERT_NE(file, nullptr);
    PEM_write_X509(file, certificate_.get());
    std::fclose(file);
  }
  std::string bundle() const { return (folder_.path() / "ca.pem").string(); }
  HttpOutcome ask(const std::string& url) const {
    const auto transport = make_curl_transport({});
    return send_and_wait(*transport, post(url));
  }

  // The machine's own settings must not decide.
  ScopedVariable no_curl_bundle_{"CURL_CA_BUNDLE", nullptr};
  ScopedVariable no_file_{"SSL_CERT_FILE", nullptr};
  ScopedVariable no_directory_{"SSL_CERT_DIR", nullptr};
  TemporaryFolder folder_;
  Key key_;
  Certificate certificate_;
  Context context_;
};

TEST_F(CurlTransportTls, TrustsTheBundleThatTheEnvironmentNames) {
  serve_certificate_for("127.0.0.1");
  const ScopedVariable trusted("SSL_CERT_FILE", bundle().c_str());
  LoopbackServer server(always("over TLS"), context_.get());
  const auto transport = make_curl_transport({});
  for (int i = 0; i < 3; ++i) {
    const HttpOutcome outcome = send_and_wait(*transport, post(server.url()));
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->body, "over TLS");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlTransportTls, ReadsTheBundleForItsFirstConnectionOnly) {
  serve_certificate_for("127.0.0.1");
  const ScopedVariable trusted("SSL_CERT_FILE", bundle().c_str());
  const auto answer_once = [](Connection& connection, int) {
    if (connection.read_request()) connection.answer(200, "once", "Connection: close\r\n");
  };
  LoopbackServer server(answer_once, context_.get());
  const auto transport = make_curl_transport({});
  ASSERT_TRUE(send_and_wait(*transport, post(server.url())));
  std::filesystem::remove(bundle());
  const HttpOutcome outcome = send_and_wait(*transport, post(server.url()));
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(CurlTransportTls, DistrustsWhatItDoesNotKnow) {
  serve_certificate_for("127.0.0.1");
  LoopbackServer server(always("secret"), context_.get());
  const HttpOutcome outcome = ask(server.url());
  ASSERT_FALSE(outcome);
  EXPECT_STREQ(name_of(outcome.error().kind), "tls") << outcome.error().message;
}

TEST_F(CurlTransportTls, DistrustsACertificateForAnotherHost) {
  serve_certificate_for("127.0.0.2");
  const ScopedVariable trusted("SSL_CERT_FILE", bundle().c_str());
  LoopbackServer server(always("secret"), context_.get());
  const HttpOutcome outcome = ask(server.url());
  ASSERT_FALSE(outcome);
  EXPECT_STREQ(name_of(outcome.error().kind), "tls") << outcome.error().message;
}

TEST_F(CurlTransportTls, AMissingBundleIsAnErrorThatNamesIt) {
  serve_certificate_for("127.0.0.1");
  const ScopedVariable wrong("SSL_CERT_FILE", "/no/such/bundle.pem");
  LoopbackServer server(always("secret"), context_.get());
  const HttpOutcome outcome = ask(server.url());
  ASSERT_FALSE(outcome);
  EXPECT_STREQ(name_of(outcome.error().kind), "tls");
  EXPECT_NE(outcome.error().message.find("/no/such/bundle.pem"), std::string::npos)
      << outcome.error().message;
}

TEST_F(CurlTransportTls, AHandshakeThatNeverEndsIsAConnectFault) {
  LoopbackServer silent([](Connection& connection, int) { connection.wait_until_peer_closes(); });
  CurlTransportOptions options;
  options.connect_timeout = std::chrono::milliseconds(200);
  const auto transport = make_curl_transport(options);
  const HttpOutcome outcome =
      send_and_wait(*transport, post("https://127.0.0.1:" + std::to_string(silent.port())));
  ASSERT_FALSE(outcome);
  EXPECT_STREQ(name_of(outcome.error().kind), "connect") << outcome.error().message;
}

}  // namespace
}  // namespace alig
