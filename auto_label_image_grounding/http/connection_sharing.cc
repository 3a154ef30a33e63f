#include "auto_label_image_grounding/http/connection_sharing.h"

#include <algorithm>
#include <utility>

namespace alig {
namespace {

constexpr std::size_t kBearable = 10;  // at least so many answers for each that is unprocessed
constexpr std::size_t kRecent = 2000;  // answers
constexpr std::size_t kLongest = 64000;

}  // namespace

void ConnectionSharing::on_answer() {
  if (!allowed_) {
    allowed_ = --left_ == 0;
    return;
  }
  if (++answered_ < kRecent) return;
  answered_ /= 2;
  unprocessed_ /= 2;
}

void ConnectionSharing::on_unprocessed() {
  if (!allowed_ || ++unprocessed_ * kBearable <= answered_) return;
  allowed_ = false;
  answered_ = unprocessed_ = 0;
  left_ = std::exchange(patience_, std::min(2 * patience_, kLongest));
}

}  // namespace alig
