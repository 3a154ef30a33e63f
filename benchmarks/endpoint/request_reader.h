// Just enough HTTP/1.1 to take requests with a Content-Length and throw their bodies away.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bench {

// One connection's bytes, in any pieces. Only the end of a body is kept: it holds the prompt, after
// the image.
class RequestReader {
 public:
  // Takes what was read. True if a request is complete; then prompt_end() is valid until the next
  // call. Bytes of a following request must not be in the same piece: a client that waits for its
  // answer sends none.
  bool take(std::string_view bytes);

  std::string_view prompt_end() const { return tail_; }
  bool is_bad() const { return bad_; }  // no Content-Length: not for this endpoint

 private:
  void read_head();
  void take_body(std::string_view bytes);

  std::string head_;
  std::string tail_;
  std::size_t rest_ = 0;  // bytes of the body that are still to come
  bool in_body_ = false;
  bool bad_ = false;
};

}  // namespace bench
