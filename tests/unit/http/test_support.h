// Shared by the tests of the transport.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "auto_label_image_grounding/http/transport.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig::testing {

// Straight from RFC 4648, bit by bit: shares nothing with the code under test.
inline std::string slow_base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : bytes) {
    for (int bit = 7; bit >= 0; --bit) {
      bits = bits << 1 | (static_cast<unsigned char>(c) >> bit & 1U);
      if (++count % 6 == 0) out += kAlphabet[bits & 63];
    }
  }
  if (count % 6 != 0) out += kAlphabet[bits << (6 - count % 6) & 63];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

// Bytes without a pattern that could hide block size errors; deterministic for given arguments.
inline std::string noise(std::size_t size, unsigned seed) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) {
    seed = seed * 1664525U + 1013904223U;
    bytes += static_cast<char>(seed >> 24);
  }
  return bytes;
}

inline std::future<HttpOutcome> start(HttpTransport& transport, HttpRequest request) {
  auto promise = std::make_shared<std::promise<HttpOutcome>>();
  std::future<HttpOutcome> future = promise->get_future();
  transport.send(std::move(request),
                 [promise](HttpOutcome outcome) { promise->set_value(std::move(outcome)); });
  return future;
}

// Bounded: a request that never ends fails its test instead of hanging it.
inline HttpOutcome finish(std::future<HttpOutcome>& future) {
  if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
    ADD_FAILURE() << "the request did not end";
    return tl::unexpected<TransportFault>(TransportFault{TransportFault::Kind::kOther, "hangs"});
  }
  return future.get();
}

inline HttpOutcome send_and_wait(HttpTransport& transport, HttpRequest request) {
  std::future<HttpOutcome> future = start(transport, std::move(request));
  return finish(future);
}

inline HttpRequest post(std::string url, std::string body = "{}") {
  HttpRequest request;
  request.url = std::move(url);
  request.headers = {{"Content-Type", "application/json"}};
  request.body = {std::move(body)};
  request.timeout = std::chrono::seconds(20);
  return request;
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

}  // namespace alig::testing
