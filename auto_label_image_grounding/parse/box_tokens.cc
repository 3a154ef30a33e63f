// Special tokens with which models mark boxes.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/grounding_text.h"
#include "auto_label_image_grounding/parse/tags.h"

namespace alig::parse {
namespace {

constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kMaxLabelBytes = 300;

enum class Token {
  kOther,
  kLabelOpens,
  kLabelCloses,
  kBoxOpens,
  kBoxCloses,
  kLocation1000,  // <loc_12>: four to a box, after their label
  kLocation1024,  // <loc0012>: four to a box, before their label
  kPatch,         // <patch_index_0012>: two to a box
  kPoint,
};

struct TokenMeaning {
  Token token = Token::kOther;
  double value = 0;
};

// The number after `prefix`, of at most `max_digits` digits; none if the name differs.
std::optional<double> number_behind(std::string_view name, std::string_view prefix,
                                    std::size_t max_digits) {
  if (name.substr(0, prefix.size()) != prefix) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size());
  if (digits.empty() || digits.size() > max_digits) return std::nullopt;
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  return whole_number_text(digits);
}

TokenMeaning meaning_of(std::string_view name) {
  struct Row {
    std::string_view name;
    Token token;
  };
  static constexpr std::array<Row, 20> kRows = {{{"ref", Token::kLabelOpens},
                                                 {"/ref", Token::kLabelCloses},
                                                 {"|ref|", Token::kLabelOpens},
                                                 {"|/ref|", Token::kLabelCloses},
                                                 {"|object_ref_start|", Token::kLabelOpens},
                                                 {"|object_ref_end|", Token::kLabelCloses},
                                                 {"phrase", Token::kLabelOpens},
                                                 {"/phrase", Token::kLabelCloses},
                                                 {"p", Token::kLabelOpens},
                                                 {"/p", Token::kLabelCloses},
                                                 {"box", Token::kBoxOpens},
                                                 {"/box", Token::kBoxCloses},
                                                 {"|box_start|", Token::kBoxOpens},
                                                 {"|box_end|", Token::kBoxCloses},
                                                 {"|det|", Token::kBoxOpens},
                                                 {"|/det|", Token::kBoxCloses},
                                                 {"bbox", Token::kBoxOpens},
                                                 {"/bbox", Token::kBoxCloses},
                                                 {"|begin_of_box|", Token::kBoxOpens},
                                                 {"|end_of_box|", Token::kBoxCloses}}};
  for (const Row& row : kRows) {
    if (row.name == name) return {row.token, 0};
  }
  if (const auto value = number_behind(name, "loc_", 3)) return {Token::kLocation1000, *value};
  if (const auto value = number_behind(name, "loc", 4)) return {Token::kLocation1024, *value};
  if (const auto value = number_behind(name, "patch_index_", 4)) return {Token::kPatch, *value};
  const bool point = name == "point" || name == "points" || name.substr(0, 6) == "point " ||
                     name.substr(0, 7) == "points ";
  return {point ? Token::kPoint : Token::kOther, 0};
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n,;") == std::string_view::npos;
}

// Upper left and lower right patch of Kosmos-2's 32 x 32 grid.
std::optional<std::array<double, 4>> box_of_patches(double first, double second) {
  constexpr double kSide = 32;
  if (first >= kSide * kSide || second >= kSide * kSide) return std::nullopt;
  const double x1 = std::fmod(first, kSide), y1 = std::floor(first / kSide);
  const double x2 = std::fmod(second, kSide), y2 = std::floor(second / kSide);
  if (x1 == x2 || y1 == y2) return std::array<double, 4>{x1, y1, x2 + 1, y2 + 1};
  return std::array<double, 4>{x1 + 0.5, y1 + 0.5, x2 + 0.5, y2 + 0.5};
}

class TokenReader {
 public:
  explicit TokenReader(std::string_view text) : text_(text) {}

  GroundingDraft read() {
    for (std::size_t at = text_.find('<'); at != std::string_view::npos;) {
      const auto tag = tag_at(text_, at);
      if (tag) {
        see(meaning_of(tag->name), at, at + tag->length);
        previous_tag_end_ = at + tag->length;
      } else if (is_cut_tag(at)) {
        draft_.truncated = true;
      }
      at = text_.find('<', at + (tag ? tag->length : 1));
    }
    finish_run(text_.size());
    finish_unclosed_box(text_.size());
    return std::move(draft_);
  }

 private:
  void see(const TokenMeaning& meaning, std::size_t begin, std::size_t end) {
    const bool goes_on = meaning.token == run_token_ && !run_.empty() &&
                         is_blank(text_.substr(run_end_, begin - run_end_));
    if (!goes_on) finish_run(begin);
    switch (meaning.token) {
      case Token::kOther:
        pass(begin, end);
        break;
      case Token::kLabelOpens:
        label_begin_ = end;
        break;
      case Token::kLabelCloses:
        close_label(begin, end);
        break;
      case Token::kBoxOpens:
        open_box(begin, end);
        break;
      case Token::kBoxCloses:
        close_box(begin, end);
        break;
      case Token::kPoint:
        see_point();
        break;
      case Token::kLocation1000:
      case Token::kLocation1024:
      case Token::kPatch:
        if (run_.empty()) start_run(meaning.token, begin);
        run_.push_back(meaning.value);
        run_end_ = end;
    }
  }

  // A tag of no meaning between a label and its box, as <object>.
  void pass(std::size_t begin, std::size_t end) {
    if (label_end_ != kNowhere && is_blank(text_.substr(label_end_, begin - label_end_))) {
      label_end_ = end;
    }
  }

  // The text ends inside a tag: "<loc_12", "</bo".
  bool is_cut_tag(std::size_t at) const {
    constexpr std::size_t kMaxName = 32;
    const std::string_view rest = text_.substr(at + 1);
    if (rest.size() > kMaxName || rest.find_first_of("<>\n ") != std::string_view::npos) {
      return false;
    }
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '|' || c == '/'; };
    return rest.empty() || is_letter(rest[0]);
  }

  void close_label(std::size_t begin, std::size_t end) {
    if (label_begin_ == kNowhere) return;
    label_ = scrub_utf8(trim(text_.substr(label_begin_, begin - label_begin_)));
    label_begin_ = kNowhere;
    label_end_ = end;
  }

  // The label of a box that begins at `at`: the one marked right before, or the words there.
  std::string label_at(std::size_t at) const {
    if (label_end_ != kNowhere && is_blank(text_.substr(label_end_, at - label_end_))) {
      return label_;
    }
    return label_before(text_, previous_tag_end_, at);
  }
  void keep_label(std::string label, std::size_t end) {
    label_ = std::move(label);
    label_end_ = end;
  }

  void open_box(std::size_t begin, std::size_t end) {
    finish_unclosed_box(begin);
    box_label_ = label_at(begin);
    box_begin_ = end;
  }

  void close_box(std::size_t begin, std::size_t end) {
    if (box_begin_ == kNowhere && !find_box_start(begin)) return;
    ItemDraft item;
    item.item.label = box_label_;
    const std::string_view content = text_.substr(box_begin_, begin - box_begin_);
    add_boxes_from_text(item, content, true, std::nullopt);
    finish_item(std::move(item), draft_);
    box_begin_ = kNowhere;
    keep_label(box_label_, end);
  }

  // The opening token was part of the prompt: "(684,10),(996,101)<|box_end|>".
  bool find_box_start(std::size_t close) {
    constexpr std::size_t kMaxContentBytes = 200;
    if (close - previous_tag_end_ > kMaxContentBytes) return false;
    const NumberGroups numbers =
        read_number_groups(text_.substr(previous_tag_end_, close - previous_tag_end_));
    if (numbers.other_text || numbers.groups.empty()) return false;
    box_begin_ = previous_tag_end_;
    box_label_.clear();
    return true;
  }

  void finish_unclosed_box(std::size_t end) {
    if (box_begin_ == kNowhere) return;
    ItemDraft item;
    item.item.label = box_label_;
    item.cut = end == text_.size();
    add_boxes_from_text(item, text_.substr(box_begin_, end - box_begin_), false, std::nullopt);
    finish_item(std::move(item), draft_);
    box_begin_ = kNowhere;
  }

  void see_point() {
    ++draft_.unusable;
    draft_.understood = true;
  }

  void start_run(Token token, std::size_t begin) {
    run_token_ = token;
    run_label_ = token == Token::kLocation1024 ? std::string() : label_at(begin);
  }

  // The run of location tokens before `end`, where something else begins.
  void finish_run(std::size_t end) {
    if (run_.empty()) return;
    ItemDraft item;
    item.item.label = run_label_;
    if (run_token_ == Token::kLocation1024) item.item.label = label_behind_run(end);
    item.cut = !run_is_whole() && is_blank(text_.substr(run_end_));
    add_run(item);
    if (run_token_ == Token::kLocation1024 && item.item.label.empty()) drop_unlabelled(item);
    finish_item(std::move(item), draft_);
    if (run_token_ != Token::kLocation1024) keep_label(run_label_, run_end_);
    run_.clear();
  }

  std::size_t numbers_of_a_box() const { return run_token_ == Token::kPatch ? 2 : kBoxNumbers; }
  bool run_is_whole() const { return run_.size() % numbers_of_a_box() == 0; }

  void add_run(ItemDraft& item) {
    const std::size_t size = numbers_of_a_box();
    for (std::size_t i = 0; i + size <= run_.size(); i += size) {
      if (run_token_ == Token::kPatch) {
        const auto box = box_of_patches(run_[i], run_[i + 1]);
        if (box) add_box(item, *box, BoxForm::kPatch32, std::nullopt);
        if (!box) ++item.unusable;
      } else {
        add_box(
            item, {run_[i], run_[i + 1], run_[i + 2], run_[i + 3]},
            run_token_ == Token::kLocation1000 ? BoxForm::kLocation1000 : BoxForm::kLocation1024,
            std::nullopt);
      }
    }
    if (!run_is_whole() && !item.cut) ++item.unusable;
  }

  // PaliGemma writes "<loc…>x4 cat ; <loc…>x4 dog".
  std::string label_behind_run(std::size_t end) const {
    std::string_view label = text_.substr(run_end_, std::min(end - run_end_, kMaxLabelBytes));
    label = label.substr(0, label.find_first_of(";\n"));
    return scrub_utf8(trim(label));
  }

  // Its boxes always have a label: without one the text was cut there, or the box is a wreck.
  void drop_unlabelled(ItemDraft& item) {
    item.cut = item.cut || is_blank(text_.substr(run_end_));
    if (!item.cut) item.unusable += static_cast<int>(item.item.boxes.size());
    item.item.boxes.clear();
  }

  std::string_view text_;
  std::size_t previous_tag_end_ = 0;
  std::string label_;                 // the label marked or used last …
  std::size_t label_end_ = kNowhere;  // … which boxes right after this position share
  std::size_t label_begin_ = kNowhere;
  std::string box_label_;
  std::size_t box_begin_ = kNowhere;
  Token run_token_ = Token::kOther;
  std::vector<double> run_;
  std::size_t run_end_ = 0;
  std::string run_label_;
  GroundingDraft draft_;
};

}  // namespace

bool has_box_tokens(std::string_view text) {
  for (std::size_t at = text.find('<'); at != std::string_view::npos;) {
    const auto tag = tag_at(text, at);
    if (tag) {
      const Token token = meaning_of(tag->name).token;
      const bool labels = token == Token::kLabelOpens || token == Token::kLabelCloses;
      if (token != Token::kOther && !labels) return true;
    }
    at = text.find('<', at + (tag ? tag->length : 1));
  }
  return false;
}

GroundingDraft read_box_tokens(std::string_view text) { return TokenReader(text).read(); }

}  // namespace alig::parse
