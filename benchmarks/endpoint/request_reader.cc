#include "request_reader.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace bench {
namespace {

constexpr std::size_t kKept = 16 * 1024;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

bool RequestReader::take(std::string_view bytes) {
  if (!in_body_) {
    head_ += bytes;
    const std::size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::string body = head_.substr(end + 4);
    head_.resize(end);
    read_head();
    in_body_ = true;
    tail_.clear();
    take_body(body);
  } else {
    take_body(bytes);
  }
  if (rest_ > 0 || bad_) return false;
  in_body_ = false;
  head_.clear();
  return true;
}

void RequestReader::read_head() {
  const std::string head = lower(head_);
  constexpr std::string_view kLength = "content-length:";
  const std::size_t at = head.find(kLength);
  bad_ = at == std::string::npos;
  rest_ = bad_ ? 0 : std::strtoull(head.c_str() + at + kLength.size(), nullptr, 10);
}

void RequestReader::take_body(std::string_view bytes) {
  rest_ -= std::min(rest_, bytes.size());
  // The part that may be the end: no copy of the image.
  if (rest_ > kKept) return;
  tail_ += bytes.substr(bytes.size() - std::min(bytes.size(), kKept));
  if (tail_.size() > 2 * kKept) tail_.erase(0, tail_.size() - kKept);
}

}  // namespace bench
