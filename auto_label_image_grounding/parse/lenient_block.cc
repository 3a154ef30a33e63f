#include "auto_label_image_grounding/parse/lenient_block.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/lenient_string.h"
#include "auto_label_image_grounding/parse/number_text.h"

namespace alig::parse {
namespace {

// Longer words without quotes are prose.
constexpr std::size_t kMaxWordBytes = 256;
// Longer ones are not coordinates; the bound keeps pages of digits linear.
constexpr std::size_t kMaxNumberBytes = 400;

enum class Expect { kKey, kColon, kValue, kComma };

struct Frame {
  char closer;
  Expect expect;
  bool after_comma = false;
  bool is_object() const { return closer == '}'; }
};

char closer_of(char opener) { return opener == '{' ? '}' : opener == '[' ? ']' : ')'; }
bool is_opener(char c) { return c == '{' || c == '[' || c == '('; }
bool is_closer(char c) { return c == '}' || c == ']' || c == ')'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct Literal {
  std::string_view text;
  Json value;
  bool python;
  bool finite;
};

const Literal* find_literal(std::string_view word) {
  static const std::array<Literal, 14> kLiterals = {{{"true", true, false, true},
                                                     {"false", false, false, true},
                                                     {"null", nullptr, false, true},
                                                     {"True", true, true, true},
                                                     {"False", false, true, true},
                                                     {"None", nullptr, true, true},
                                                     {"undefined", nullptr, true, true},
                                                     {"NaN", nullptr, false, false},
                                                     {"nan", nullptr, false, false},
                                                     {"-NaN", nullptr, false, false},
                                                     {"Infinity", nullptr, false, false},
                                                     {"-Infinity", nullptr, false, false},
                                                     {"inf", nullptr, false, false},
                                                     {"-inf", nullptr, false, false}}};
  const auto found = std::find_if(kLiterals.begin(), kLiterals.end(),
                                  [&](const Literal& literal) { return literal.text == word; });
  return found == kLiterals.end() ? nullptr : &*found;
}

// Quotes as word processors set them, around a word: they do not delimit JSON strings.
std::string_view without_curly_quotes(std::string_view word) {
  static constexpr std::array<std::string_view, 4> kQuotes = {"“", "”", "‘", "’"};
  for (const std::string_view quote : kQuotes) {
    if (word.substr(0, quote.size()) == quote) word.remove_prefix(quote.size());
    if (word.size() >= quote.size() && word.substr(word.size() - quote.size()) == quote) {
      word.remove_suffix(quote.size());
    }
  }
  return word;
}

bool is_ellipsis(std::string_view word) {
  return word == "…" || (!word.empty() && word.find_first_not_of('.') == std::string_view::npos);
}

class BlockReader {
 public:
  BlockReader(std::string_view text, std::size_t begin) : text_(text), begin_(begin), at_(begin) {}

  BlockOutcome read(std::set<Repair>& repairs) {
    open(text_[at_]);
    while (step()) {
    }
    if (rejected_) return {std::nullopt, std::max(at_, begin_ + 1)};
    JsonBlock block;
    block.begin = begin_;
    block.end = at_;
    block.truncated = cut_;
    block.open_containers = cut_ ? builder_.open_containers() : 0;
    if (cut_) repair(Repair::kTruncated);
    if (builder_.is_too_deep()) repair(Repair::kTooDeep);
    if (builder_.has_repeated_keys()) repair(Repair::kDuplicateKey);
    block.value = builder_.take();
    repairs.insert(repairs_.begin(), repairs_.end());
    return {std::move(block), at_};
  }

 private:
  // False where the block is finished, cut or rejected.
  bool step() {
    skip_filler();
    if (at_ >= text_.size()) return cut();
    const char c = text_[at_];
    if (is_closer(c)) return close(c);
    if (c == ',') return comma();
    if (c == ':') return colon();
    settle();
    if (is_opener(c)) return open(c);
    if (starts_string(text_, at_)) return string();
    if (c == '\\') return junk(backslashes());
    const auto found = scan_number(text_.substr(at_, kMaxNumberBytes));
    return found && is_delimited(*found) ? number(*found) : word();
  }

  bool cut() {
    at_ = text_.size();
    cut_ = true;
    return false;
  }
  bool reject() {
    rejected_ = true;
    return false;
  }
  void repair(Repair repair) { repairs_.insert(repair); }
  Frame& frame() { return frames_.back(); }

  // White space, comments, and escaped white space of JSON inside a string.
  void skip_filler() {
    while (at_ < text_.size()) {
      const std::string_view rest = text_.substr(at_);
      if (is_space(rest[0])) {
        ++at_;
      } else if (rest[0] == '#' || rest.substr(0, 2) == "//") {
        comment(rest.find('\n'), 1);
      } else if (rest.substr(0, 2) == "/*") {
        comment(rest.find("*/", 2), 2);
      } else if (rest.substr(0, 2) == "\\n" || rest.substr(0, 2) == "\\t" ||
                 rest.substr(0, 2) == "\\r") {
        repair(Repair::kEscapedJson);
        at_ += 2;
      } else if (rest.substr(0, 2) == "\xC2\xA0") {  // no-break space
        at_ += 2;
      } else {
        return;
      }
    }
  }
  void comment(std::size_t end, std::size_t end_length) {
    repair(Repair::kComment);
    at_ = end == std::string_view::npos ? text_.size() : at_ + end + end_length;
  }

  // A token begins: repairs what should have come before it.
  void settle() {
    if (frame().expect == Expect::kComma) {
      repair(Repair::kMissingComma);
      frame().expect = frame().is_object() ? Expect::kKey : Expect::kValue;
    } else if (frame().expect == Expect::kColon) {
      repair(Repair::kMissingColon);
      frame().expect = Expect::kValue;
    }
  }

  bool open(char c) {
    if (!frames_.empty()) close_forgotten_object(c);
    if (!frames_.empty()) {
      if (frame().expect == Expect::kKey) unnamed_key();
      frame().expect = Expect::kComma;
      frame().after_comma = false;
    }
    if (c == '(') repair(Repair::kTuple);
    if (c == '{') {
      builder_.open_object();
    } else {
      builder_.open_array();
    }
    frames_.push_back({closer_of(c), c == '{' ? Expect::kKey : Expect::kValue});
    ++open_of(closer_of(c));
    ++at_;
    return true;
  }

  // [{"a": 1, {"b": 2}]: in a list of objects a "{" where a key should be starts the next one.
  void close_forgotten_object(char c) {
    const bool next_element = c == '{' && frame().is_object() && frame().expect == Expect::kKey &&
                              frames_.size() > 1 && !frames_[frames_.size() - 2].is_object();
    if (!next_element) return;
    repair(Repair::kMismatchedBracket);
    pop();
  }

  void unnamed_key() {
    repair(Repair::kMissingValue);
    builder_.key("");
  }

  std::size_t& open_of(char closer) {
    return open_counts_[closer == '}' ? 0 : closer == ']' ? 1 : 2];
  }

  void pop() {
    finish_pair();
    if (frame().after_comma) repair(Repair::kTrailingComma);
    --open_of(frame().closer);
    frames_.pop_back();
    builder_.close();
  }

  // A key without a value.
  void finish_pair() {
    const bool lacks_value = frame().expect == Expect::kColon ||
                             (frame().is_object() && frame().expect == Expect::kValue);
    if (!lacks_value) return;
    repair(Repair::kMissingValue);
    builder_.value(Json(Json::value_t::discarded));
    frame().expect = Expect::kComma;
  }

  bool close(char c) {
    ++at_;
    if (open_of(c) == 0) {
      repair(Repair::kMismatchedBracket);
      return true;
    }
    while (frame().closer != c) {
      repair(Repair::kMismatchedBracket);
      pop();
    }
    pop();
    return !frames_.empty();
  }

  bool comma() {
    ++at_;
    finish_pair();
    if (frame().expect != Expect::kComma) repair(Repair::kTrailingComma);
    frame().expect = frame().is_object() ? Expect::kKey : Expect::kValue;
    frame().after_comma = true;
    return true;
  }

  bool colon() {
    ++at_;
    if (frame().expect == Expect::kColon) {
      frame().expect = Expect::kValue;
    } else {
      repair(Repair::kJunk);
    }
    return true;
  }

  StringRole role() {
    if (!frame().is_object()) return StringRole::kArrayElement;
    return frame().expect == Expect::kKey ? StringRole::kKey : StringRole::kObjectValue;
  }

  bool string() {
    StringOutcome outcome = read_string(text_, at_, role(), repairs_);
    if (!outcome.value) return cut();
    at_ = outcome.end;
    put(std::move(*outcome.value));
    return true;
  }

  void put(std::string text) {
    if (!is_valid_utf8(text)) {
      repair(Repair::kInvalidUtf8);
      text = scrub_utf8(text);
    }
    if (role() == StringRole::kKey) {
      builder_.key(std::move(text));
      frame().expect = Expect::kColon;
    } else {
      builder_.value(std::move(text));
      frame().expect = Expect::kComma;
    }
    frame().after_comma = false;
  }
  void put_value(Json value) {
    builder_.value(std::move(value));
    frame().expect = Expect::kComma;
    frame().after_comma = false;
  }

  // A number that the text's end cuts is handled by the caller; "12px" is a word.
  bool is_delimited(const NumberToken& number) const {
    const std::size_t end = at_ + number.length;
    if (end >= text_.size()) return true;
    return std::string_view(",:;()[]{}\"'#/\\ \t\n\v\f\r").find(text_[end]) !=
           std::string_view::npos;
  }

  bool number(const NumberToken& token) {
    const std::string_view digits = text_.substr(at_, token.length);
    at_ += token.length;
    if (at_ >= text_.size()) return cut();
    if (role() == StringRole::kKey) {
      repair(Repair::kUnquotedKey);
      put(std::string(digits));
      return true;
    }
    if (!token.strict) repair(Repair::kNumberFormat);
    if (token.integer) {
      put_value(*token.integer);
    } else if (std::isfinite(token.value)) {
      put_value(token.value);
    } else {
      repair(Repair::kNotFinite);
      put_value(nullptr);
    }
    return true;
  }

  // Text without quotes: a literal, a key, a word, or prose that shows that this is not JSON.
  bool word() {
    const bool key = role() == StringRole::kKey;
    const std::string_view stops = key                     ? ":,]}\n\"[{<"
                                   : frame().closer == ')' ? ",]})\n\"[{<"
                                                           : ",]}\n\"[{<";
    const std::string_view window = text_.substr(at_, kMaxWordBytes);
    const std::size_t length = window.find_first_of(stops);
    if (length == std::string_view::npos) {
      return window.size() < kMaxWordBytes ? cut() : junk(window.size());
    }
    const std::string_view word = trim(window.substr(0, length));
    const char stop = window[length];
    if (const Literal* literal = key ? nullptr : find_literal(word)) {
      at_ += length;
      return put_literal(*literal);
    }
    if (is_ellipsis(word)) return skip_ellipsis(length);
    const bool ended = key ? stop == ':' : stop == ',' || is_closer(stop) || ends_line(length);
    if (!ended || word.empty()) return junk(std::max<std::size_t>(length, 1));
    at_ += length;
    repair(key ? Repair::kUnquotedKey : Repair::kUnquotedText);
    put(std::string(without_curly_quotes(word)));
    return true;
  }

  bool put_literal(const Literal& literal) {
    if (literal.python) repair(Repair::kPythonLiteral);
    if (!literal.finite) repair(Repair::kNotFinite);
    put_value(literal.value);
    return true;
  }

  bool skip_ellipsis(std::size_t length) {
    repair(Repair::kJunk);
    at_ += length;
    return true;
  }

  // A word that ends at a line end, with a closing bracket next or something read before.
  bool ends_line(std::size_t length) const {
    if (text_[at_ + length] != '\n') return false;
    return builder_.has_content();
  }

  // `length` unexpected bytes. At the start of a block they show that it is prose.
  bool junk(std::size_t length) {
    at_ += length;
    if (!builder_.has_content()) return reject();
    repair(Repair::kJunk);
    return true;
  }

  std::size_t backslashes() const {
    const std::size_t end = text_.find_first_not_of('\\', at_);
    return (end == std::string_view::npos ? text_.size() : end) - at_;
  }

  std::string_view text_;
  std::size_t begin_;
  std::size_t at_;
  JsonBuilder builder_;
  std::vector<Frame> frames_;
  std::array<std::size_t, 3> open_counts_{};
  std::set<Repair> repairs_;
  bool cut_ = false;
  bool rejected_ = false;
};

}  // namespace

BlockOutcome read_block(std::string_view text, std::size_t begin, std::set<Repair>& repairs) {
  return BlockReader(text, begin).read(repairs);
}

}  // namespace alig::parse
