#include "auto_label_image_grounding/http/curl_transport.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <stdexcept>
#include <vector>

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
using testing::Meeting;
using testing::noise;
using testing::post;
using testing::ReceivedRequest;
using testing::send_and_wait;
using testing::slow_base64;
using testing::start;
using testing::transport_with;
using Kind = TransportFault::Kind;

TEST(CurlTransport, SendsTheBodyByteForByte) {
  const TemporaryFolder folder;
  const std::string image = noise(300001, 5);
  const std::string other = noise(70000, 6);
  ReceivedRequest received;
  LoopbackServer server([&](Connection& connection, int) {
    while (auto request = connection.read_request()) {
      received = *request;
      connection.answer(200, "ok", "X-Request-ID:  Abc \r\n");
    }
  });
  HttpRequest request = post(server.url("/v1/x?y=1"));
  request.body = {"{\"a\":\"", Base64File{folder.write("p", image), image.size()}, "\",\"b\":\"",
                  Base64Bytes{std::make_shared<const std::string>(other)}, "\"}"};
  request.headers.emplace_back("Authorization", "Bearer k");
  request.headers.emplace_back("X-Empty", "");
  const auto transport = transport_with(2);
  const HttpOutcome outcome = send_and_wait(*transport, request);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->status, 200);
  EXPECT_EQ(outcome->body, "ok");
  ASSERT_NE(outcome->header("x-request-id"), nullptr);
  EXPECT_EQ(*outcome->header("x-request-id"), "Abc");
  EXPECT_EQ(outcome->header("X-Request-ID"), nullptr);

  const std::string expected =
      "{\"a\":\"" + slow_base64(image) + "\",\"b\":\"" + slow_base64(other) + "\"}";
  EXPECT_TRUE(received.body == expected) << "the bodies differ";
  EXPECT_EQ(received.start_line, "POST /v1/x?y=1 HTTP/1.1");
  EXPECT_EQ(received.headers["content-length"], std::to_string(expected.size()));
  EXPECT_EQ(received.headers["content-type"], "application/json");
  EXPECT_EQ(received.headers["authorization"], "Bearer k");
  EXPECT_EQ(received.headers["user-agent"], "test/1");
  EXPECT_EQ(received.headers.count("x-empty"), 1U);
  EXPECT_EQ(received.headers.count("expect"), 0U);
  EXPECT_EQ(received.headers.count("transfer-encoding"), 0U);
  EXPECT_NE(received.headers["accept-encoding"].find("gzip"), std::string::npos);
}

TEST(CurlTransport, OtherMethods) {
  std::string line;
  LoopbackServer server([&](Connection& connection, int) {
    while (auto request = connection.read_request()) {
      line = request->start_line + "|" + request->body;
      connection.answer(200, "");
    }
  });
  const auto transport = transport_with(1);
  HttpRequest get = post(server.url("/models"));
  get.method = "GET";
  get.body.clear();
  ASSERT_TRUE(send_and_wait(*transport, get));
  EXPECT_EQ(line, "GET /models HTTP/1.1|");
  HttpRequest put = post(server.url(), "x");
  put.method = "PUT";
  ASSERT_TRUE(send_and_wait(*transport, put));
  EXPECT_EQ(line, "PUT / HTTP/1.1|x");
  ASSERT_TRUE(send_and_wait(*transport, post(server.url(), "")));
  EXPECT_EQ(line, "POST / HTTP/1.1|");
}

TEST(CurlTransport, ReusesItsConnection) {
  LoopbackServer server(always("ok"));
  const auto transport = transport_with(8);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(send_and_wait(*transport, post(server.url()))) << i;
  EXPECT_EQ(server.connections(), 1);
}

// The server has read the request and may have worked on it: that it is sent again is for whoever
// counts requests to say.
TEST(CurlTransport, SendsNoRequestAgainByItself) {
  const TemporaryFolder folder;
  const std::string image = noise(500000, 5);
  std::string second_body;
  std::atomic<int> requests = 0;
  LoopbackServer server([&](Connection& connection, int number) {
    auto request = connection.read_request();
    if (!request) return;  // curl connects again before it finds out that it may not send
    ++requests;
    if (number == 1) {
      connection.answer(200, "first");
      if (connection.read_request()) ++requests;
      return;  // closes without a word, as a server does that had given the connection up
    }
    second_body = request->body;
    connection.answer(200, "second");
    connection.wait_until_peer_closes();
  });
  const auto transport = transport_with(1);
  ASSERT_TRUE(send_and_wait(*transport, post(server.url())));
  HttpRequest request = post(server.url());
  request.body = {"<", Base64File{folder.write("p", image), image.size()}, ">"};
  const HttpOutcome outcome = send_and_wait(*transport, request);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, TransportFault::Kind::kUnprocessed);
  EXPECT_EQ(outcome.error().message, "the connection ended without an answer");
  EXPECT_EQ(requests, 2);
  const HttpOutcome again = send_and_wait(*transport, request);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->body, "second");
  EXPECT_TRUE(second_body == "<" + slow_base64(image) + ">");
}

TEST(CurlTransport, SendsNoRequestWithoutABodyAgainByItself) {
  for (const char* method : {"GET", "POST"}) {
    std::atomic<int> requests = 0;
    LoopbackServer server([&](Connection& connection, int number) {
      while (connection.read_request()) {
        ++requests;
        if (number == 1 && requests == 2) return;
        connection.answer(200, "ok");
      }
    });
    const auto transport = transport_with(1);
    HttpRequest request = post(server.url(), "");
    request.method = method;
    EXPECT_EQ(kind_of(send_and_wait(*transport, request)), "HTTP 200") << method;
    EXPECT_EQ(kind_of(send_and_wait(*transport, request)), "unprocessed") << method;
    EXPECT_EQ(requests, 2) << method;
    EXPECT_EQ(kind_of(send_and_wait(*transport, request)), "HTTP 200") << method;
    EXPECT_EQ(requests, 3) << method;
  }
}

// Answers the first request on each connection; what it does with the second is `end`.
LoopbackServer::Script once_and(std::function<void(Connection&)> end) {
  return [end = std::move(end)](Connection& connection, int) {
    if (!connection.read_request()) return;
    connection.answer(200, "first");
    if (connection.read_request()) end(connection);
  };
}

TEST(CurlTransport, OnlyAnEndWithoutASignOfWorkIsUnprocessed) {
  const auto close = [](Connection&) {};
  const auto reset = [](Connection& connection) { connection.reset(); };
  const auto begin = [](Connection& connection) {
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  };
  struct Case {
    const char* what;
    LoopbackServer::Script script;
    std::chrono::milliseconds within;
    const char* expected;
  };
  const Case cases[] = {{"closed", once_and(close), 20s, "unprocessed"},
                        {"reset", once_and(reset), 20s, "unprocessed"},
                        {"an answer began", once_and(begin), 20s, "reset"},
                        {"late", once_and(close), 0ms, "reset"}};
  for (const Case& c : cases) {
    LoopbackServer server(c.script);
    CurlTransportOptions options;
    options.unprocessed_within = c.within;
    const auto transport = make_curl_transport(options);
    EXPECT_EQ(kind_of(send_and_wait(*transport, post(server.url()))), "HTTP 200") << c.what;
    EXPECT_EQ(kind_of(send_and_wait(*transport, post(server.url()))), c.expected) << c.what;
  }
}

TEST(CurlTransport, TheEndOfAFreshConnectionIsAReset) {
  LoopbackServer server([](Connection& connection, int) { connection.read_request(); });
  const auto transport = transport_with(2);
  EXPECT_EQ(kind_of(send_and_wait(*transport, post(server.url()))), "reset");
}

// As nginx does where it does not linger: the answer must be read although sending fails.
TEST(CurlTransport, AnAnswerBeforeTheRequestWasSentCounts) {
  LoopbackServer server([](Connection& connection, int) {
    connection.read_some();
    connection.answer(413, "too large", "Connection: close\r\n");
  });
  const auto transport = transport_with(2);
  std::string large;
  large.resize(20'000'000, 'x');
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(kind_of(send_and_wait(*transport, post(server.url(), large))), "HTTP 413") << i;
  }
}

// What curl had in mind to send again, but found no server for, is no business of the next request.
TEST(CurlTransport, ARequestAfterOneWhoseServerHasGone) {
  Gate arrived;
  auto leaving = std::make_unique<LoopbackServer>([&](Connection& connection, int) {
    connection.read_request();
    connection.answer(200, "first");
    connection.read_request();
    arrived.open();
    connection.wait_until_peer_closes();
  });
  LoopbackServer staying(always("ok"));
  const auto transport = transport_with(1);
  ASSERT_TRUE(send_and_wait(*transport, post(leaving->url())));
  auto lost = start(*transport, post(leaving->url()));
  ASSERT_TRUE(arrived.wait());
  leaving.reset();
  EXPECT_FALSE(finish(lost));
  EXPECT_EQ(kind_of(send_and_wait(*transport, post(staying.url()))), "HTTP 200");
  EXPECT_EQ(kind_of(send_and_wait(*transport, post(staying.url()))), "HTTP 200");
}

// All requests are answered only when all have arrived: so many were in flight at once.
void expect_in_flight_at_once(int count) {
  auto transport = transport_with(count);  // also raises the limit of open files
  Meeting meeting(count);
  LoopbackServer server([&](Connection& connection, int) {
    while (auto request = connection.read_request()) {
      if (!meeting.arrive_and_wait()) return;
      connection.answer(200, request->body);
    }
  });
  std::vector<std::future<HttpOutcome>> futures;
  for (int i = 0; i < count; ++i) {
    futures.push_back(start(*transport, post(server.url(), std::to_string(i))));
  }
  for (int i = 0; i < count; ++i) {
    const HttpOutcome outcome = finish(futures[static_cast<std::size_t>(i)]);
    ASSERT_TRUE(outcome) << i << ": " << outcome.error().message;
    ASSERT_EQ(outcome->body, std::to_string(i)) << "answers must not be mixed up";
  }
  transport.reset();
}

TEST(CurlTransport, SixtyFourRequestsAtOnce) { expect_in_flight_at_once(64); }

TEST(CurlTransport, SendersOnManyThreads) {
  LoopbackServer server([&](Connection& connection, int) {
    while (auto request = connection.read_request()) connection.answer(200, request->body);
  });
  const auto transport = transport_with(8);
  std::vector<std::thread> senders;
  for (int sender = 0; sender < 8; ++sender) {
    senders.emplace_back([&, sender] {
      for (int i = 0; i < 25; ++i) {
        const std::string body = std::to_string(sender * 1000 + i);
        const HttpOutcome outcome = send_and_wait(*transport, post(server.url(), body));
        EXPECT_TRUE(outcome && outcome->body == body) << body << ' ' << kind_of(outcome);
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_LE(server.connections(), 8);
}

TEST(CurlTransport, NeverMoreThanItsConnections) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  LoopbackServer server([&](Connection& connection, int) {
    while (connection.read_request()) {
      const int here = ++now;
      int seen = most;
      while (here > seen && !most.compare_exchange_weak(seen, here)) {
      }
      --now;
      connection.answer(200, "ok");
    }
  });
  const auto transport = transport_with(3);
  std::vector<std::future<HttpOutcome>> futures;
  for (int i = 0; i < 60; ++i) futures.push_back(start(*transport, post(server.url())));
  for (auto& future : futures) EXPECT_TRUE(finish(future));
  EXPECT_LE(server.connections(), 3);
  EXPECT_LE(most, 3);
}

TEST(CurlTransport, SendingFromACallback) {
  LoopbackServer server(always("ok"));
  const auto transport = transport_with(1);
  std::promise<HttpOutcome> last;
  std::future<HttpOutcome> future = last.get_future();
  transport->send(post(server.url()), [&](const HttpOutcome&) {
    transport->send(post(server.url()),
                    [&](HttpOutcome outcome) { last.set_value(std::move(outcome)); });
  });
  EXPECT_TRUE(finish(future));
}

TEST(CurlTransport, CancelAllEndsWhatIsPendingAndNothingElse) {
  Gate arrived;
  Gate go_on;
  LoopbackServer server([&](Connection& connection, int) {
    while (auto request = connection.read_request()) {
      if (request->body == "slow") {
        arrived.open();
        connection.wait_until_peer_closes();
        return;
      }
      connection.answer(200, "ok");
    }
  });
  const auto transport = transport_with(2);
  std::vector<std::future<HttpOutcome>> pending;
  for (int i = 0; i < 10; ++i) pending.push_back(start(*transport, post(server.url(), "slow")));
  ASSERT_TRUE(arrived.wait());
  transport->cancel_all();
  auto later = start(*transport, post(server.url(), "quick"));
  for (auto& future : pending) EXPECT_EQ(kind_of(finish(future)), "cancelled");
  EXPECT_EQ(kind_of(finish(later)), "HTTP 200");
}

TEST(CurlTransport, CancelAllWithMailOnBothSidesOfIt) {
  LoopbackServer server(always("ok"));
  const auto transport = transport_with(2);
  // From a callback the I/O thread cannot fetch its mail in between: all of this is one delivery.
  std::promise<std::vector<std::future<HttpOutcome>>> made;
  auto futures = made.get_future();
  transport->send(post(server.url()), [&](const HttpOutcome&) {
    std::vector<std::future<HttpOutcome>> three;
    three.push_back(start(*transport, post(server.url())));
    three.push_back(start(*transport, post(server.url())));
    transport->cancel_all();
    three.push_back(start(*transport, post(server.url())));
    made.set_value(std::move(three));
  });
  ASSERT_EQ(futures.wait_for(30s), std::future_status::ready);
  auto three = futures.get();
  EXPECT_EQ(kind_of(finish(three[0])), "cancelled");
  EXPECT_EQ(kind_of(finish(three[1])), "cancelled");
  EXPECT_EQ(kind_of(finish(three[2])), "HTTP 200");
}

TEST(CurlTransport, TheDestructorCancelsWhatIsPending) {
  Gate arrived;
  LoopbackServer server([&](Connection& connection, int) {
    connection.read_request();
    arrived.open();
    connection.wait_until_peer_closes();
  });
  auto transport = transport_with(2);
  std::vector<std::future<HttpOutcome>> pending;
  for (int i = 0; i < 10; ++i) pending.push_back(start(*transport, post(server.url())));
  ASSERT_TRUE(arrived.wait());
  transport.reset();
  for (auto& future : pending) EXPECT_EQ(kind_of(finish(future)), "cancelled");
}

TEST(CurlTransport, WhenItsThreadFailsNothingHangs) {
  LoopbackServer server([](Connection& connection, int) {
    while (auto request = connection.read_request()) {
      if (request->body != "quick") return connection.wait_until_peer_closes();
      connection.answer(200, "ok");
    }
  });
  const auto transport = transport_with(2);
  std::vector<std::future<HttpOutcome>> pending;
  pending.push_back(start(*transport, post(server.url(), "slow")));
  transport->send(post(server.url(), "quick"),
                  [](const HttpOutcome&) { throw std::runtime_error("a bug of the caller"); });
  for (int i = 0; i < 5; ++i) pending.push_back(start(*transport, post(server.url(), "slow")));
  for (auto& future : pending) {
    const HttpOutcome outcome = finish(future);
    EXPECT_EQ(kind_of(outcome), "other");
    EXPECT_NE(outcome.error().message.find("a bug of the caller"), std::string::npos);
  }
  EXPECT_EQ(kind_of(send_and_wait(*transport, post(server.url(), "quick"))), "other");
}

TEST(CurlTransport, UsesNoProxyForLoopback) {
  LoopbackServer proxy(always("proxied"));
  LoopbackServer server(always("direct"));
  ASSERT_EQ(setenv("http_proxy", proxy.url().c_str(), 1), 0);
  const auto transport = transport_with(1);
  for (const std::string host : {"127.0.0.1", "localhost", "LOCALHOST", "127.0.0.1"}) {
    const HttpOutcome outcome = send_and_wait(
        *transport, post("http://" + host + ":" + std::to_string(server.port()) + "/"));
    ASSERT_TRUE(outcome) << host << ' ' << outcome.error().message;
    EXPECT_EQ(outcome->body, "direct") << host;
  }
  const HttpOutcome outcome = send_and_wait(*transport, post("http://far-away.invalid/"));
  unsetenv("http_proxy");
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->body, "proxied");
}

}  // namespace
}  // namespace alig
