#include "auto_label_image_grounding/steps/spans.h"

#include <algorithm>
#include <cstdlib>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

// Scripts that put no spaces between words (Thai, Lao, Khmer, Myanmar, kana, Han, Hangul syllables
// carry particles without a space): there a word boundary cannot be seen.
bool is_unspaced_script(char32_t c) {
  return (c >= 0x0E00 && c <= 0x0EFF) || (c >= 0x1000 && c <= 0x109F) ||
         (c >= 0x1780 && c <= 0x17FF) || (c >= 0x2E80 && c <= 0xA4CF) ||
         (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0xFF66 && c <= 0xFF9F) || (c >= 0x20000 && c <= 0x3FFFF);
}

bool joins_into_word(char32_t c) { return is_word_code_point(c) && !is_unspaced_script(c); }

}  // namespace

SpanFinder::SpanFinder(std::string_view caption)
    : caption_(lower_code_points(to_code_points(caption))),
      character_starts_(character_starts(caption_)) {}

bool SpanFinder::inside_word(std::size_t boundary) const {
  if (boundary == 0 || boundary >= caption_.size()) return false;
  const char32_t before = caption_[boundary - 1];
  const char32_t after = caption_[boundary];
  return !character_starts_[boundary] || (joins_into_word(before) && joins_into_word(after));
}

bool SpanFinder::stands_at(const std::vector<char32_t>& text, std::size_t begin) const {
  return std::equal(text.begin(), text.end(),
                    caption_.begin() + static_cast<std::ptrdiff_t>(begin)) &&
         !inside_word(begin) && !inside_word(begin + text.size());
}

std::optional<CharSpan> SpanFinder::take(
    std::string_view text, const std::optional<std::pair<std::int64_t, std::int64_t>>& hint) {
  const std::vector<char32_t> wanted = lower_code_points(to_code_points(text));
  if (wanted.empty() || wanted.size() > caption_.size()) return std::nullopt;
  const auto size = static_cast<std::int64_t>(caption_.size());
  const std::int64_t target = hint ? std::clamp<std::int64_t>(hint->first, 0, size) : 0;
  std::optional<CharSpan> best;
  for (std::size_t begin = 0; begin + wanted.size() <= caption_.size(); ++begin) {
    const CharSpan span{static_cast<std::int64_t>(begin),
                        static_cast<std::int64_t>(begin + wanted.size())};
    if (best && std::abs(span.begin - target) >= std::abs(best->begin - target)) continue;
    if (!stands_at(wanted, begin)) continue;
    const bool taken =
        std::find(taken_.begin(), taken_.end(), std::pair(wanted, span)) != taken_.end();
    if (!taken) best = span;
  }
  if (best) taken_.emplace_back(wanted, *best);
  return best;
}

void SpanFinder::reserve(std::string_view text, const CharSpan& span) {
  taken_.emplace_back(lower_code_points(to_code_points(text)), span);
}

}  // namespace alig
