// Host names: this program's own getaddrinfo() takes precedence over libc's, and knows names ending
// in ".test" that no other resolver does.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "auto_label_image_grounding/http/curl_transport.h"
#include "loopback_server.h"
#include "test_support.h"

namespace {

using GetAddrInfo = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

class Lookups {
 public:
  // Gives another look-up time to begin beside this one.
  void begin(const std::string& name) {
    std::unique_lock lock(mutex_);
    names_.push_back(name);
    most_at_once_ = std::max(most_at_once_, ++under_way_);
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return under_way_ > 1; });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    --under_way_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    names_.clear();
    most_at_once_ = under_way_;
  }
  std::vector<std::string> names() {
    const std::lock_guard lock(mutex_);
    return names_;
  }
  int most_at_once() {
    const std::lock_guard lock(mutex_);
    return most_at_once_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> names_;
  int under_way_ = 0, most_at_once_ = 0;
};

Lookups& lookups() {
  static auto* all = new Lookups;  // a look-up that was given up may outlive main()
  return *all;
}

}  // namespace

extern "C" [[gnu::visibility("default")]] int getaddrinfo(const char* node, const char* service,
                                                          const addrinfo* hints, addrinfo** found) {
  static const auto libc = reinterpret_cast<GetAddrInfo>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  const std::string name = node == nullptr ? "" : node;
  if (!name.ends_with(".test")) return libc(node, service, hints, found);
  lookups().begin(name);
  const int code = name == "missing.test" ? EAI_NONAME : libc("127.0.0.1", service, hints, found);
  lookups().end();
  return code;
}

namespace alig {
namespace {

using testing::always;
using testing::finish;
using testing::LoopbackServer;
using testing::post;
using testing::send_and_wait;
using testing::start;

constexpr int kRequests = 100;

std::string url_of(const std::string& host, int port) {
  return "http://" + host + ":" + std::to_string(port) + "/";
}

std::unique_ptr<HttpTransport> transport() {
  CurlTransportOptions options;
  options.max_connections = kRequests;
  return make_curl_transport(options);
}

std::vector<std::future<HttpOutcome>> ask_all(HttpTransport& transport, const std::string& url) {
  std::vector<std::future<HttpOutcome>> answers;
  for (int i = 0; i < kRequests; ++i) answers.push_back(start(transport, post(url)));
  return answers;
}

class CurlTransportNames : public ::testing::Test {
 protected:
  void SetUp() override { lookups().forget(); }
};

TEST_F(CurlTransportNames, AreLookedUpOnceForAllRequests) {
  LoopbackServer server(always("here"));
  const auto asked = transport();
  auto answers = ask_all(*asked, url_of("endpoint.test", server.port()));
  for (auto& answer : answers) {
    const HttpOutcome outcome = finish(answer);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->body, "here");
  }
  EXPECT_EQ(lookups().names(), std::vector<std::string>{"endpoint.test"});
}

TEST_F(CurlTransportNames, ThatDoNotExistFailEveryRequest) {
  const auto asked = transport();
  auto answers = ask_all(*asked, url_of("missing.test", 9));
  for (auto& answer : answers) {
    const HttpOutcome outcome = finish(answer);
    ASSERT_FALSE(outcome);
    EXPECT_STREQ(name_of(outcome.error().kind), "dns") << outcome.error().message;
  }
  EXPECT_EQ(lookups().most_at_once(), 1);
}

TEST_F(CurlTransportNames, OneThatDoesNotExistFailsNoOther) {
  LoopbackServer server(always("here"));
  const auto asked = transport();
  auto bad = start(*asked, post(url_of("missing.test", 9)));
  auto good = start(*asked, post(url_of("endpoint.test", server.port())));
  EXPECT_FALSE(finish(bad));
  EXPECT_TRUE(finish(good));
}

TEST_F(CurlTransportNames, CancelledWhileLookedUpAllEnd) {
  LoopbackServer server(always("here"));
  const auto asked = transport();
  auto answers = ask_all(*asked, url_of("endpoint.test", server.port()));
  asked->cancel_all();
  for (auto& answer : answers) {
    const HttpOutcome outcome = finish(answer);
    if (!outcome) {
      EXPECT_STREQ(name_of(outcome.error().kind), "cancelled");
    }
  }
  EXPECT_TRUE(send_and_wait(*asked, post(url_of("endpoint.test", server.port()))));
}

}  // namespace
}  // namespace alig
