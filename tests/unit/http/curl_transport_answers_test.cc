#include "auto_label_image_grounding/http/curl_transport.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <future>

#include "curl_transport_support.h"
#include "loopback_server.h"
#include "test_support.h"

namespace alig {
namespace {

using namespace std::chrono_literals;
using testing::always;
using testing::Connection;
using testing::finish;
using testing::Gate;
using testing::kind_of;
using testing::LoopbackServer;
using testing::post;
using testing::send_and_wait;
using testing::start;
using testing::transport_with;

TEST(CurlTransport, EnforcesTheTimeoutOfTheWholeRequest) {
  LoopbackServer silent([](Connection& connection, int) { connection.wait_until_peer_closes(); });
  LoopbackServer dribbling([&](Connection& connection, int) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    connection.wait_until_peer_closes();
  });
  const auto transport = transport_with(4);
  for (LoopbackServer* server : {&silent, &dribbling}) {
    HttpRequest request = post(server->url());
    request.timeout = 200ms;
    const auto begin = std::chrono::steady_clock::now();
    const HttpOutcome outcome = send_and_wait(*transport, request);
    const auto passed = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(kind_of(outcome), "timeout");
    EXPECT_GE(passed, 190ms);
    EXPECT_LT(passed, 5s);
  }
}

TEST(CurlTransport, TimeInLineDoesNotCount) {
  Gate gate;
  LoopbackServer server([&](Connection& connection, int) {
    bool first = true;
    while (connection.read_request()) {
      if (std::exchange(first, false)) gate.wait();
      connection.answer(200, "ok");
    }
  });
  const auto transport = transport_with(1);
  auto first = start(*transport, post(server.url()));
  HttpRequest request = post(server.url());
  request.timeout = 300ms;
  auto second = start(*transport, request);
  EXPECT_EQ(second.wait_for(400ms), std::future_status::timeout);
  gate.open();
  EXPECT_TRUE(finish(first));
  EXPECT_TRUE(finish(second));
}

TEST(CurlTransport, Faults) {
  int free_port = 0;
  { free_port = LoopbackServer(always("")).port(); }
  struct Case {
    const char* what;
    std::function<void(Connection&)> script;
    const char* expected;
  };
  const Case cases[] = {
      {"reset before the answer", [](Connection& c) { c.reset(); }, "reset"},
      {"closed without an answer", [](Connection&) {}, "reset"},
      {"reset within the answer",
       [](Connection& c) {
         c.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
         c.reset();
       },
       "reset"},
      {"closed within the answer",
       [](Connection& c) { c.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"); },
       "reset"},
      {"cut-off chunks",
       [](Connection& c) {
         c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
       },
       "reset"},
      {"an answer that is not HTTP", [](Connection& c) { c.write("220 mail ESMTP\r\n"); }, "reset"},
      {"broken gzip",
       [](Connection& c) { c.answer(200, "no gzip at all", "Content-Encoding: gzip\r\n"); },
       "other"},
  };
  const auto transport = transport_with(2);
  for (const Case& c : cases) {
    LoopbackServer server([&](Connection& connection, int) {
      if (connection.read_request()) c.script(connection);
    });
    EXPECT_EQ(kind_of(send_and_wait(*transport, post(server.url()))), c.expected) << c.what;
  }
  const HttpOutcome refused =
      send_and_wait(*transport, post("http://127.0.0.1:" + std::to_string(free_port)));
  EXPECT_EQ(kind_of(refused), "connect");
  EXPECT_NE(refused.error().message.find(std::to_string(free_port)), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(kind_of(send_and_wait(*transport, post("http://no-such-host.invalid/"))), "dns");
}

TEST(CurlTransport, RequestsThatCannotBeSent) {
  const auto transport = transport_with(2);
  for (const char* url : {"", "http://", "ftp://127.0.0.1/x", "file:///etc/passwd", "not a url"}) {
    EXPECT_EQ(kind_of(send_and_wait(*transport, post(url))), "invalid_request") << url;
  }
  LoopbackServer server(always("ok"));
  HttpRequest request = post(server.url());
  request.headers.emplace_back("Authorization", "Bearer secret\nX-Smuggled: 1");
  const HttpOutcome outcome = send_and_wait(*transport, request);
  EXPECT_EQ(kind_of(outcome), "invalid_request");
  EXPECT_NE(outcome.error().message.find("Authorization"), std::string::npos);
  EXPECT_EQ(outcome.error().message.find("secret"), std::string::npos);
  EXPECT_EQ(server.connections(), 0);
}

std::string from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                  reinterpret_cast<const unsigned char*>(text.data()),
                  static_cast<int>(text.size()));
  while (text.back() == '=') {
    text.remove_suffix(1);
    bytes.pop_back();
  }
  return bytes;
}

// gzip -9 of {"answer": "hello"}, and of 300,000 zeros.
constexpr std::string_view kGzipHello = "H4sIAAAAAAACA6tWSswrLk8tUrJSUMpIzcnJV6oFAJ5SUWETAAAA";
constexpr std::string_view kGzipZeros =
    "H4sIAAAAAAACA+3BAQ0AAADCoPdPbQ8HFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/Bj74rL24JMEAA==";

TEST(CurlTransport, LimitsTheAnswerAfterDecompression) {
  struct Case {
    const char* what;
    std::string body;
    const char* headers;
    const char* expected;
  };
  const Case cases[] = {
      {"as large as allowed", std::string(100000, 'x'), "", "HTTP 200"},
      {"a byte more", std::string(100001, 'x'), "", "too_large"},
      {"gzip bomb", from_base64(kGzipZeros), "Content-Encoding: gzip\r\n", "too_large"},
      {"gzip", from_base64(kGzipHello), "Content-Encoding: gzip\r\n", "HTTP 200"},
  };
  const auto transport = transport_with(2, 100000);
  for (const Case& c : cases) {
    LoopbackServer server([&](Connection& connection, int) {
      if (connection.read_request()) connection.answer(200, c.body, c.headers);
    });
    const HttpOutcome outcome = send_and_wait(*transport, post(server.url()));
    EXPECT_EQ(kind_of(outcome), c.expected) << c.what;
    if (std::string_view(c.what) == "gzip") {
      EXPECT_EQ(outcome->body, "{\"answer\": \"hello\"}");
    }
  }
}

TEST(CurlTransport, LimitsAnswersWithoutALength) {
  const auto transport = transport_with(1, 100000);
  LoopbackServer endless([](Connection& connection, int) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 100; ++i) connection.write(std::string(10000, 'x'));
  });
  EXPECT_EQ(kind_of(send_and_wait(*transport, post(endless.url()))), "too_large");
  LoopbackServer headers([](Connection& connection, int) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n");
    const std::string line = "X-Pad: " + std::string(1000, 'x') + "\r\n";
    for (int i = 0; i < 1000; ++i) connection.write(line);
  });
  EXPECT_FALSE(send_and_wait(*transport, post(headers.url())));
}

TEST(CurlTransport, ErrorStatusesAndRedirectsAreOrdinaryAnswers) {
  LoopbackServer target(always("must not be asked"));
  const std::string location = "Location: " + target.url() + "\r\n";
  const auto transport = transport_with(1);
  for (const int status : {301, 302, 307, 308, 400, 401, 429, 500, 503}) {
    LoopbackServer server([&](Connection& connection, int) {
      if (connection.read_request()) connection.answer(status, "why", location);
    });
    const HttpOutcome outcome = send_and_wait(*transport, post(server.url()));
    EXPECT_EQ(kind_of(outcome), "HTTP " + std::to_string(status));
    EXPECT_EQ(outcome->body, "why") << status;
  }
  EXPECT_EQ(target.connections(), 0);
}

TEST(CurlTransport, OnlyTheLastResponsesHeadersCount) {
  LoopbackServer server([](Connection& connection, int) {
    connection.read_request();
    connection.write("HTTP/1.1 103 Early Hints\r\nX-Which: early\r\n\r\n");
    connection.answer(200, "ok", "X-Which: final\r\n");
  });
  const auto transport = transport_with(1);
  const HttpOutcome outcome = send_and_wait(*transport, post(server.url()));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(*outcome->header("x-which"), "final");
}

TEST(CurlTransport, ImagesThatVanishOrChange) {
  const TemporaryFolder folder;
  LoopbackServer server(always("ok"));
  const auto transport = transport_with(2);
  const auto path = folder.write("p.jpg", "12345678");
  struct Case {
    const char* what;
    Base64File file;
  };
  const Case cases[] = {{"vanished", {folder.path() / "gone.jpg", 8}},
                        {"truncated", {path, 9}},
                        {"grown", {path, 7}}};
  for (const Case& c : cases) {
    HttpRequest request = post(server.url());
    request.body = {"{", c.file, "}"};
    const HttpOutcome outcome = send_and_wait(*transport, request);
    EXPECT_EQ(kind_of(outcome), "local_file") << c.what;
    EXPECT_NE(outcome.error().message.find(c.file.path.string()), std::string::npos) << c.what;
  }
  EXPECT_TRUE(send_and_wait(*transport, post(server.url()))) << "the transport goes on";
}

}  // namespace
}  // namespace alig
