// Proxies that are dead, deny, or are no proxies. No name here is looked up but "….invalid".
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auto_label_image_grounding/http/curl_proxy.h"
#include "auto_label_image_grounding/http/curl_transport.h"
#include "loopback_server.h"
#include "test_support.h"

namespace alig {
namespace {

using ::testing::AllOf;
using testing::Connection;
using ::testing::HasSubstr;
using testing::LoopbackServer;
using ::testing::Not;
using testing::post;
using testing::ScopedVariable;
using testing::send_and_wait;
using Kind = TransportFault::Kind;

class CurlTransportProxy : public ::testing::Test {
 protected:
  // A request to a host that only the proxy could know.
  static TransportFault fault_at(const std::string& proxy, const std::string& url) {
    const ScopedVariable http("http_proxy", proxy.c_str()), https("HTTPS_PROXY", proxy.c_str());
    const auto transport = make_curl_transport({});
    const HttpOutcome outcome = send_and_wait(*transport, post(url));
    EXPECT_FALSE(outcome) << proxy << ' ' << url;
    return outcome ? TransportFault{} : outcome.error();
  }

  ScopedVariable no_https_{"https_proxy", nullptr};
  ScopedVariable no_all_{"all_proxy", nullptr}, no_all_upper_{"ALL_PROXY", nullptr};
  ScopedVariable no_exceptions_{"no_proxy", nullptr}, no_exceptions_upper_{"NO_PROXY", nullptr};
};

TEST_F(CurlTransportProxy, OneRowPerAnswer) {
  const struct {
    const char* url;
    int status;
    Kind kind;
    const char* said;
  } kCases[] = {
      {"https://known-to-the-proxy.example/", 407, Kind::kProxy, "user name and password"},
      {"https://known-to-the-proxy.example/", 403, Kind::kProxy, "refuses to connect"},
      {"https://known-to-the-proxy.example/", 405, Kind::kProxy, "refuses to connect"},
      {"https://known-to-the-proxy.example/", 429, Kind::kConnect, "cannot connect"},
      {"https://known-to-the-proxy.example/", 500, Kind::kConnect, "cannot connect"},
      {"https://known-to-the-proxy.example/", 503, Kind::kConnect, "cannot connect"},
      {"http://known-to-the-proxy.example/", 407, Kind::kProxy, "user name and password"},
  };
  for (const auto& c : kCases) {
    LoopbackServer proxy([&](Connection& connection, int) {
      if (connection.read_request()) connection.answer(c.status, "no");
    });
    const std::string place = "127.0.0.1:" + std::to_string(proxy.port());
    const TransportFault fault = fault_at("http://me:zebra@" + place, c.url);
    EXPECT_EQ(fault.kind, c.kind) << c.url << ' ' << c.status;
    EXPECT_THAT(
        fault.message,
        AllOf(HasSubstr(place), HasSubstr(c.said), Not(HasSubstr("zebra")),
              HasSubstr(std::string(c.url).starts_with("https") ? "(HTTPS_PROXY)" : "(http_proxy)"),
              HasSubstr("status " + std::to_string(c.status))));
    EXPECT_THAT(fault.advice,
                AllOf(HasSubstr("HTTPS_PROXY"), HasSubstr("HTTP_PROXY"), HasSubstr("NO_PROXY")));
  }
}

TEST_F(CurlTransportProxy, OneRowPerProxyThatIsNotThere) {
  const struct {
    const char* proxy;
    Kind kind;
    const char* said;
  } kCases[] = {
      {"http://me:zebra@127.0.0.1:9", Kind::kConnect, "the proxy 127.0.0.1:9 (HTTPS_PROXY) cannot"},
      {"127.0.0.1:9", Kind::kConnect, "the proxy 127.0.0.1:9 (HTTPS_PROXY) cannot"},
      {"http://me:zebra@no-proxy.invalid:3128", Kind::kDns, "no-proxy.invalid:3128 (HTTPS_PROXY)"},
      {"http://me:ze/bra@127.0.0.1:9", Kind::kProxy, "the value of HTTPS_PROXY is no"},
      {"htp://me:zebra@127.0.0.1:9", Kind::kProxy, "the value of HTTPS_PROXY is no"},
  };
  for (const auto& c : kCases) {
    const TransportFault fault = fault_at(c.proxy, "https://known-to-the-proxy.example/");
    EXPECT_EQ(fault.kind, c.kind) << c.proxy << ' ' << fault.message;
    EXPECT_THAT(fault.message,
                AllOf(HasSubstr(c.said), Not(HasSubstr("zebra")), Not(HasSubstr("bra@"))))
        << c.proxy;
    EXPECT_THAT(fault.advice, HasSubstr("NO_PROXY")) << c.proxy;
  }
}

TEST_F(CurlTransportProxy, IsNamedWhereItResetsAPlainRequest) {
  LoopbackServer proxy([](Connection& connection, int) {
    connection.read_some();
    connection.reset();
  });
  const std::string place = "127.0.0.1:" + std::to_string(proxy.port());
  const TransportFault fault = fault_at("http://me:zebra@" + place, "http://elsewhere.example/");
  EXPECT_EQ(fault.kind, Kind::kReset);
  EXPECT_THAT(fault.message, HasSubstr("(through the proxy " + place + " (http_proxy))"));
  EXPECT_THAT(fault.advice, HasSubstr("NO_PROXY"));
}

TEST_F(CurlTransportProxy, IsNotBlamedForTheEndpoint) {
  LoopbackServer proxy([](Connection& connection, int) {
    while (connection.read_request()) connection.answer(403, "the endpoint's own");
  });
  const std::string place = "http://127.0.0.1:" + std::to_string(proxy.port());
  const ScopedVariable http("http_proxy", place.c_str());
  const auto transport = make_curl_transport({});
  const HttpOutcome through = send_and_wait(*transport, post("http://known-to-the-proxy.example/"));
  ASSERT_TRUE(through);
  EXPECT_EQ(through->status, 403);
  // No proxy for loopback, and for what NO_PROXY names.
  const ScopedVariable except("NO_PROXY", "nowhere.invalid");
  for (const char* url : {"http://127.0.0.1:9/", "http://nowhere.invalid/"}) {
    const HttpOutcome direct = send_and_wait(*transport, post(url));
    ASSERT_FALSE(direct) << url;
    EXPECT_THAT(direct.error().message, Not(HasSubstr("proxy"))) << url;
    EXPECT_EQ(direct.error().advice, "") << url;
  }
}

TEST(CurlProxy, IsFoundAsLibcurlDoes) {
  std::map<std::string, std::string> set;
  const auto find = [&](bool https) {
    const auto found = find_proxy(https, [&](const char* name) { return set[name]; });
    return found ? found->variable + " " + found->host + " " + found->port : "none";
  };
  EXPECT_EQ(find(true), "none");
  set["HTTP_PROXY"] = "http://a:1";
  EXPECT_EQ(find(false), "none") << "not the upper-case one";
  set["ALL_PROXY"] = "socks5h://b";
  EXPECT_EQ(find(false), "ALL_PROXY b 1080");
  set["HTTPS_PROXY"] = "https://me:secret@c/";
  EXPECT_EQ(find(true), "HTTPS_PROXY c 443");
  set["https_proxy"] = "d:3128";
  EXPECT_EQ(find(true), "https_proxy d 3128");
  set["http_proxy"] = "not a url";
  EXPECT_EQ(find(false), "http_proxy  ");
}

}  // namespace
}  // namespace alig
