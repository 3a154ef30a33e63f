// TLS against a server with a certificate of its own making.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/http/curl_transport.h"
#include "curl_transport_support.h"
#include "loopback_server.h"
#include "test_support.h"

namespace alig {
namespace {

using testing::always;
using testing::Connection;
using testing::finish;
using testing::kind_of;
using testing::LoopbackServer;
using testing::post;
using testing::ScopedVariable;
using testing::send_and_wait;
using testing::start;

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

// --- HTTP/2, as far as the tests need it (RFC 9113) ---

enum FrameType : unsigned char { kData = 0, kHeaders = 1, kSettings = 4, kGoAway = 7 };
constexpr unsigned char kEndStream = 1;
constexpr unsigned char kEndHeaders = 4;

std::string four_bytes(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 255U);
  return bytes;
}

std::string frame(FrameType type, unsigned char flags, std::uint32_t stream,
                  const std::string& payload = "") {
  return four_bytes(static_cast<std::uint32_t>(payload.size())).substr(1) +
         static_cast<char>(type) + static_cast<char>(flags) + four_bytes(stream) + payload;
}

// Takes `limit` requests on a connection, says so when `patience` have come, answers those that it
// took and closes the connection.
class Http2Connection {
 public:
  Http2Connection(Connection& connection, std::size_t limit, std::size_t patience)
      : connection_(connection), limit_(limit), patience_(patience) {}

  void serve() {
    constexpr std::size_t kPreface = 24;
    constexpr std::size_t kHead = 9;
    if (!fill(kPreface)) return;
    buffer_.erase(0, kPreface);
    connection_.write(frame(kSettings, 0, 0));
    while (answered_ < limit_ && fill(kHead)) {
      const std::size_t length = number(0, 3);
      const auto type = static_cast<unsigned char>(buffer_[3]);
      const auto flags = static_cast<unsigned char>(buffer_[4]);
      const auto stream = static_cast<std::uint32_t>(number(5, 4));
      if (!fill(kHead + length)) return;
      buffer_.erase(0, kHead + length);
      if (type == kData && (flags & kEndStream) != 0) take(stream);
    }
  }

 private:
  bool fill(std::size_t size) {
    while (buffer_.size() < size) {
      const std::string more = connection_.read_some();
      if (more.empty()) return false;
      buffer_ += more;
    }
    return true;
  }
  std::size_t number(std::size_t at, std::size_t size) const {
    std::size_t value = 0;
    for (std::size_t i = at; i < at + size; ++i) {
      value = value << 8 | static_cast<unsigned char>(buffer_[i]);
    }
    return value;
  }
  void take(std::uint32_t stream) {
    streams_.push_back(stream);
    if (streams_.size() < patience_) return;
    std::sort(streams_.begin(), streams_.end());
    if (streams_.size() >= limit_) {
      connection_.write(frame(kGoAway, 0, 0, four_bytes(streams_[limit_ - 1]) + four_bytes(0)));
    }
    for (; answered_ < std::min(limit_, streams_.size()); ++answered_) answer(streams_[answered_]);
  }
  void answer(std::uint32_t stream) {
    constexpr char kStatus200 = '\x88';  // in HPACK's static table
    connection_.write(frame(kHeaders, kEndHeaders, stream, std::string(1, kStatus200)) +
                      frame(kData, kEndStream, stream, "ok"));
  }

  Connection& connection_;
  const std::size_t limit_;
  const std::size_t patience_;
  std::string buffer_;
  std::vector<std::uint32_t> streams_;
  std::size_t answered_ = 0;
};

int choose_http2(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char*,
                 unsigned, void*) {
  *chosen = reinterpret_cast<const unsigned char*>("h2");
  *size = 2;
  return SSL_TLSEXT_ERR_OK;
}

// As nginx does with keepalive_requests 3: the other requests that share the connection are lost.
TEST_F(CurlTransportTls, StreamsBeyondAGoAwayAreUnprocessedAndSharedNoMore) {
  serve_certificate_for("127.0.0.1");
  SSL_CTX_set_alpn_select_cb(context_.get(), &choose_http2, nullptr);
  const ScopedVariable trusted("SSL_CERT_FILE", bundle().c_str());
  constexpr std::size_t kAtOnce = 16;
  const auto serve = [](Connection& connection, int number) {
    Http2Connection(connection, 3, number == 1 ? kAtOnce : 1).serve();
  };
  LoopbackServer server(serve, context_.get());
  CurlTransportOptions options;
  options.max_connections = kAtOnce;
  options.unprocessed_within = std::chrono::seconds(20);
  const auto transport = make_curl_transport(options);
  const auto ask_at_once = [&](std::size_t count) {
    std::map<std::string, std::size_t> kinds;
    std::vector<std::future<HttpOutcome>> pending;
    for (std::size_t i = 0; i < count; ++i)
      pending.push_back(start(*transport, post(server.url())));
    for (auto& future : pending) ++kinds[kind_of(finish(future))];
    return kinds;
  };
  using Kinds = std::map<std::string, std::size_t>;
  EXPECT_EQ(ask_at_once(kAtOnce), (Kinds{{"HTTP 200", 3}, {"unprocessed", 13}}));
  // (curl has opened connections to send the others again, before it finds out that it may not.)
  const int before = server.connections();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(ask_at_once(13), (Kinds{{"HTTP 200", 13}})) << i;
  EXPECT_LE(server.connections() - before, 2 * 13) << "each takes three, one after the other";
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
