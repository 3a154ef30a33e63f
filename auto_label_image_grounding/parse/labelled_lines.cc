// Lines "phrase: [1, 2, 3, 4]".
#include <algorithm>
#include <array>
#include <set>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/box_json.h"
#include "auto_label_image_grounding/parse/grounding_json.h"
#include "auto_label_image_grounding/parse/grounding_text.h"

namespace alig::parse {
namespace {

// A label is not longer, and looking further back would not stay linear.
constexpr std::size_t kMaxLabelBytes = 300;
constexpr std::size_t kMaxUnpunctuatedWords = 8;

std::string_view strip_front(std::string_view text, std::string_view chars) {
  return text.substr(std::min(text.find_first_not_of(chars), text.size()));
}
std::string_view strip_back(std::string_view text, std::string_view chars) {
  return text.substr(0, text.find_last_not_of(chars) + 1);
}

// "1. ", "2) " at the front of a list's line.
std::string_view without_number(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const bool numbered = digits > 0 && digits <= 3 && digits + 1 < text.size() &&
                        (text[digits] == '.' || text[digits] == ')') && text[digits + 1] == ' ';
  return numbered ? text.substr(digits + 1) : text;
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  const bool ends =
      text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
  return ends ? text.substr(0, text.size() - suffix.size()) : text;
}

std::string_view without_decoration(std::string_view text) {
  std::string_view before;
  while (before != text) {
    before = text;
    text = trim(text);
    text = strip_back(strip_front(text, "*`\"'_,;&"), "*`\"'_");
    for (const std::string_view bullet : {"- ", "• ", "– ", "# ", "## ", "### "}) {
      if (text.substr(0, bullet.size()) == bullet) text.remove_prefix(bullet.size());
    }
    text = without_number(text);
  }
  return text;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out(1);
  for (const char c : ascii_lower(text)) {
    if (c == ' ' || c == '\t') {
      if (!out.back().empty()) out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

// "here is a bbox", "Answer", "The coordinates of the dog": they name no thing that was asked for,
// or do so in a sentence.
bool announces_a_box(std::string_view label) {
  static const std::set<std::string, std::less<>> kAnnouncing = {
      "the",    "a",   "is",    "are",    "final",   "answer",   "result",    "results",
      "output", "box", "boxes", "object", "objects", "detected", "location",  "position",
      "of",     "in",  "json",  "format", "and",     "xyxy",     "so",        "thus",
      "my",     "yes", "sure",  "ok",     "okay",    "region",   "detection", "detections"};
  const std::vector<std::string> words = words_of(label);
  const auto contains = [&](std::string_view part) {
    return ascii_lower(label).find(part) != std::string::npos;
  };
  if (contains("bbox") || contains("bounding") || contains("coordinate")) return true;
  if (!words.empty() && (words[0] == "here" || words[0] == "here's")) return true;
  return std::all_of(words.begin(), words.end(),
                     [](const std::string& word) { return kAnnouncing.count(word) > 0; });
}

// Without a colon, a few words without a verb are a label: "a red car [1, 2, 3, 4]".
bool is_short_phrase(std::string_view text) {
  static const std::set<std::string, std::less<>> kSentence = {
      "is",    "are",    "was",  "at",   "located", "found", "see",  "i",     "it",
      "there", "appear", "from", "with", "this",    "these", "have", "would", "be"};
  const std::vector<std::string> words = words_of(text);
  return words.size() <= kMaxUnpunctuatedWords &&
         std::none_of(words.begin(), words.end(),
                      [](const std::string& word) { return kSentence.count(word) > 0; });
}

// The last line of a stretch of text.
std::string_view last_line(std::string_view text) {
  const std::size_t end = text.rfind('\n');
  return end == std::string_view::npos ? text : text.substr(end + 1);
}

// A sentence before the label's own: "I see two. The dog: ".
std::string_view last_sentence(std::string_view text) {
  const std::size_t end = text.rfind(". ");
  return end == std::string_view::npos || end < 4 ? text : text.substr(end + 2);
}

std::string cleaned_label(std::string_view line) {
  std::string_view label = without_decoration(line);
  const std::string_view bare = label;
  for (const std::string_view mark : {":", "=", "->", "→", "–", "—", "-", "=>"}) {
    label = without_suffix(label, mark);
  }
  const bool punctuated = label.size() != bare.size();
  label = without_decoration(last_sentence(label));
  if (label.empty() || announces_a_box(label)) return {};
  return punctuated || is_short_phrase(label) ? std::string(label) : std::string();
}

// ": Car" after the box, to the line's end.
std::string label_after(std::string_view text, std::size_t at) {
  std::string_view rest = text.substr(at, kMaxLabelBytes);
  rest = rest.substr(0, rest.find('\n'));
  rest = strip_front(rest, " \t");
  if (rest.empty() || rest[0] != ':') return {};
  rest = rest.substr(1, std::min(rest.find_first_of("[{"), rest.size()) - 1);
  return cleaned_label(std::string(without_decoration(rest)) + ":");
}

bool is_separator(std::string_view text) {
  return strip_front(text, " \t,;&").empty() || trim(text) == "and";
}

class LineReader {
 public:
  LineReader(std::string_view text, const std::vector<JsonBlock>& blocks)
      : text_(text), blocks_(blocks) {}

  GroundingDraft read() {
    for (const JsonBlock& block : blocks_) {
      if (is_bare_array(block) && !is_footnote(block)) {
        draft_.truncated = draft_.truncated || block.truncated;
        const std::string label = label_of(block);
        const bool says_nothing = block.value.empty() && label.empty();
        if (!says_nothing) read_bare_array(block, label, draft_);
      }
      previous_end_ = block.end;
    }
    if (!blocks_.empty() && says_empty(blocks_.back())) draft_.understood = true;
    return std::move(draft_);
  }

 private:
  // "[1]" in prose.
  static bool is_footnote(const JsonBlock& block) {
    return is_number_list(block.value) && block.value.size() == 1;
  }

  // "[]" is an answer at the end of the text; in the midst of prose it is a pair of brackets.
  bool says_empty(const JsonBlock& block) const {
    return block.value.empty() && !block.truncated &&
           strip_front(text_.substr(block.end), " \t\r\n.`~").empty();
  }

  std::string label_of(const JsonBlock& block) {
    const std::string_view between = text_.substr(previous_end_, block.begin - previous_end_);
    if (previous_end_ > 0 && is_separator(between)) return label_;
    header_ = previous_end_ > 0 && header_ && strip_front(between, " \t\r\n,;-*•").empty();
    if (header_) return label_;
    label_ = label_before(text_, previous_end_, block.begin);
    if (label_.empty() && trim(last_line(between)).empty()) label_ = label_after(text_, block.end);
    if (label_.empty()) {
      label_ = header_line(between);
      header_ = !label_.empty();
    }
    return label_;
  }

  // "the dog:" on its own line, then "[1, 2, 3, 4]" or "- [1, 2, 3, 4]".
  static std::string header_line(std::string_view between) {
    if (between.size() > kMaxLabelBytes) between = between.substr(between.size() - kMaxLabelBytes);
    const std::string_view line = last_line(between);
    if (!strip_front(line, " \t-*•").empty() || line.size() == between.size()) return {};
    const std::string_view above =
        trim(last_line(trim(between.substr(0, between.size() - line.size()))));
    const std::string_view bare = strip_back(above, "*_`");
    return !bare.empty() && bare.back() == ':' ? cleaned_label(bare) : std::string();
  }

  std::string_view text_;
  const std::vector<JsonBlock>& blocks_;
  std::size_t previous_end_ = 0;
  std::string label_;
  bool header_ = false;
  GroundingDraft draft_;
};

}  // namespace

std::string label_before(std::string_view text, std::size_t from, std::size_t at) {
  const bool is_far = at - from > kMaxLabelBytes;
  const std::string_view window =
      is_far ? text.substr(at - kMaxLabelBytes, kMaxLabelBytes) : text.substr(from, at - from);
  const std::string_view line = last_line(window);
  // The start of a longer line is not in sight: half a label would be the wrong one.
  if (is_far && line.size() == window.size()) return {};
  return scrub_utf8(cleaned_label(line));
}

GroundingDraft read_labelled_lines(std::string_view text, const std::vector<JsonBlock>& blocks) {
  return LineReader(text, blocks).read();
}

}  // namespace alig::parse
