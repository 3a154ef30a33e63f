#include "auto_label_image_grounding/steps/phrase_grounding.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/bounding_box.h"
#include "auto_label_image_grounding/data/phrase.h"

namespace alig {
namespace {

constexpr double kDefaultScore = 0.9;  // as the stock pipeline
constexpr std::size_t kNobody = static_cast<std::size_t>(-1);
constexpr std::size_t kAmbiguous = static_cast<std::size_t>(-2);

bool is_number(const std::string& word) {
  return word.find_first_not_of("0123456789") == std::string::npos;
}

// "1. a red car" -> "a red car", for models that repeat the numbering. "2 dogs" keeps its number.
std::string_view unnumbered(std::string_view label) {
  const std::string_view text = trim(label);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::size_t rest = std::min(text.find_first_not_of(".):- ", digits), text.size());
  const std::string_view mark = text.substr(digits, rest - digits);
  const bool is_numbered =
      digits > 0 && rest < text.size() && mark.find_first_of(".):-") != std::string_view::npos;
  return is_numbered ? text.substr(rest) : text;
}

// Words that phrases about different things have in common.
bool is_small_word(const std::string& word) {
  static const std::set<std::string> kWords = {"in", "on",   "of",  "at", "by",
                                               "to", "with", "and", "is", "its"};
  return is_article(word) || kWords.contains(word);
}

// "dog" and "dogs", "box" and "boxes".
bool is_same_word(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  constexpr std::size_t kMinStem = 3, kLongestEnding = 2;
  return a == b || (a.size() >= kMinStem && b.size() - a.size() <= kLongestEnding &&
                    b.substr(0, a.size()) == a);
}

bool shares_a_word(std::string_view a, std::string_view b) {
  const std::vector<std::string> words = words_of(b);
  for (const std::string& word : words_of(a)) {
    const bool shared = std::any_of(words.begin(), words.end(), [&](const std::string& other) {
      return is_same_word(word, other);
    });
    if (shared && !is_small_word(word)) return true;
  }
  return false;
}

using Form = std::string (*)(std::string_view);

// Form of a text -> its position, or kAmbiguous. An empty form (of an emoji, after removing
// non-words) is indistinguishable from others like it, and is not indexed.
std::map<std::string, std::size_t> index_by(Form form, const std::vector<std::string>& texts) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string key = form(texts[i]);
    if (key.empty()) continue;
    const auto [entry, fresh] = out.try_emplace(std::move(key), i);
    if (!fresh) entry->second = kAmbiguous;
  }
  return out;
}

class LabelMatcher {
 public:
  LabelMatcher(const std::vector<std::string>& texts,
               const std::vector<parse::GroundingItem>& items)
      : texts_(texts) {
    for (const Form form : {grouping_key, word_form, normalized_phrase}) {
      indexes_.emplace_back(form, index_by(form, texts));
    }
    numbers_are_ours_ = std::all_of(items.begin(), items.end(), [this](const auto& item) {
      return agrees_with_numbering(item);
    });
  }

  std::size_t match(const parse::GroundingItem& item) const {
    const std::size_t by_id = item.id && numbers_are_ours_ ? position_of_number(*item.id) : kNobody;
    if (trim(item.label).empty()) {
      if (by_id != kNobody) return by_id;
      return texts_.size() == 1 && !item.id ? 0 : kNobody;
    }
    if (by_id != kNobody && normalized_phrase(item.label) == normalized_phrase(texts_[by_id]))
      return by_id;
    const std::size_t by_label = position_of_label(item.label);
    if (by_label == kAmbiguous) return kNobody;
    // Another expression's words under this number: the words say what was looked for.
    if (by_label != kNobody) return by_label;
    // A label that is only the number of an expression.
    if (const auto number = number_in(item.label)) {
      return numbers_are_ours_ ? position_of_number(*number) : kNobody;
    }
    // Different words ("car" for "a red car") under a valid number: the number decides.
    return by_id != kNobody && speaks_of_another(item.label, by_id) ? kNobody : by_id;
  }

 private:
  std::size_t position_of_number(std::int64_t number) const {
    const bool valid = number >= 1 && number <= static_cast<std::int64_t>(texts_.size());
    return valid ? static_cast<std::size_t>(number - 1) : kNobody;
  }

  // "2", "2.", "(2)", "#2", "expression 2".
  static std::optional<std::int64_t> number_in(std::string_view label) {
    static const std::set<std::string> kWords = {"expression", "id", "phrase", "item", "no"};
    std::vector<std::string> words = words_of(label);
    if (words.size() == 2 && kWords.contains(words[0])) words.erase(words.begin());
    constexpr std::size_t kMaxDigits = 6;
    if (words.size() != 1 || !is_number(words[0])) return std::nullopt;
    return words[0].size() > kMaxDigits ? -1 : std::stoll(words[0]);
  }

  std::size_t position_of_label(std::string_view label) const {
    const std::size_t found = position_of_words(label);
    return found == kNobody ? position_of_words(unnumbered(label)) : found;
  }
  std::size_t position_of_words(std::string_view label) const {
    for (const auto& [form, index] : indexes_) {
      const auto found = index.find(form(label));
      if (found != index.end()) return found->second;
    }
    return kNobody;
  }

  // Whether the item's number can be the one that we gave to its expression. A model that counts
  // from 0, or counts what it found, shows it by numbers that no expression has, or that belong to
  // other words; then none of its numbers can be trusted.
  bool agrees_with_numbering(const parse::GroundingItem& item) const {
    const std::size_t by_label = position_of_label(item.label);
    const bool has_words = by_label != kNobody && by_label != kAmbiguous;
    const auto number = item.id || has_words ? item.id : number_in(item.label);
    if (!number) return true;
    const std::size_t by_number = position_of_number(*number);
    if (by_number == kNobody) return false;
    return !has_words || by_label == by_number ||
           normalized_phrase(item.label) == normalized_phrase(texts_[by_number]);
  }

  // "dog" under the number of "the cat", while "the brown dog" was asked too.
  bool speaks_of_another(const std::string& label, std::size_t position) const {
    return !shares_a_word(label, texts_[position]) &&
           std::any_of(texts_.begin(), texts_.end(),
                       [&](const std::string& text) { return shares_a_word(label, text); });
  }

  const std::vector<std::string>& texts_;
  std::vector<std::pair<Form, std::map<std::string, std::size_t>>> indexes_;
  bool numbers_are_ours_ = true;
};

double normalise_score(const std::optional<double>& given, LabelCounts& counts) {
  if (!given) return kDefaultScore;
  double score = *given;
  if (!std::isfinite(score)) {
    ++counts.scores_normalised;
    return kDefaultScore;
  }
  if (score < 0 || score > 1) {
    ++counts.scores_normalised;
    // 1.0001 is a sum that was rounded, and no percentage.
    constexpr double kMinPercentage = 2;
    score = std::clamp(score >= kMinPercentage ? score / 100 : score, 0.0, 1.0);
  }
  constexpr double kDecimals = 10000;
  return std::round(score * kDecimals) / kDecimals;
}

// What lies a little outside is clamped. What lies many images away is not a box: clamped, it would
// look like one that covers everything.
bool is_sensible(const std::array<double, 4>& v, const ImageSize& upright) {
  constexpr double kAbsurd = 10;
  const auto near = [](double value, int side) { return std::abs(value) <= kAbsurd * side; };
  return near(v[0], upright.width) && near(v[1], upright.height) && near(v[2], upright.width) &&
         near(v[3], upright.height);
}

std::optional<BoundingBox> clean_box(const parse::RawBox& raw, const GroundingFrame& frame,
                                     LabelCounts& counts) {
  const std::array<double, 4> v =
      to_upright_pixels(raw, frame.convention, frame.sent, frame.upright);
  if (!is_sensible(v, frame.upright)) {
    ++counts.boxes_dropped;
    return std::nullopt;
  }
  const double x1 = std::min(v[0], v[2]), x2 = std::max(v[0], v[2]);
  const double y1 = std::min(v[1], v[3]), y2 = std::max(v[1], v[3]);
  const auto clamp = [](double value, int side) {
    return static_cast<int>(std::lround(std::clamp(value, 0.0, static_cast<double>(side))));
  };
  const BoundingBox box{clamp(x1, frame.upright.width), clamp(y1, frame.upright.height),
                        clamp(x2, frame.upright.width), clamp(y2, frame.upright.height)};
  if (box.x1 >= box.x2 || box.y1 >= box.y2) {
    ++counts.boxes_dropped;
    return std::nullopt;
  }
  if (x1 != v[0] || y1 != v[1]) ++counts.boxes_reordered;
  // Half a pixel beyond the edge is rounding, not a box that was cut.
  constexpr double kSlack = 0.5;
  if (x1 < -kSlack || y1 < -kSlack || x2 > frame.upright.width + kSlack ||
      y2 > frame.upright.height + kSlack) {
    ++counts.boxes_clamped;
  }
  return box;
}

// Keeps the higher score of boxes that overlap more than the limit. `instances` are ordered by
// descending score, so the first of a pair stays.
std::vector<Instance> merge(const std::vector<Instance>& instances, double limit,
                            LabelCounts& counts) {
  if (limit <= 0) return instances;
  std::vector<Instance> out;
  for (const Instance& instance : instances) {
    const bool duplicate = std::any_of(out.begin(), out.end(), [&](const Instance& kept) {
      return kept.bbox == instance.bbox ||
             intersection_over_union(kept.bbox, instance.bbox) > limit;
    });
    if (duplicate) {
      ++counts.boxes_merged;
    } else {
      out.push_back(instance);
    }
  }
  return out;
}

std::vector<Instance> instances_of(const std::vector<std::size_t>& positions,
                                   const parse::GroundingAnswer& answer,
                                   const GroundingFrame& frame, const GroundingRules& rules,
                                   LabelCounts& counts) {
  std::vector<Instance> out;
  for (const std::size_t position : positions) {
    for (const parse::RawBox& raw : answer.items[position].boxes) {
      add_evidence(raw, frame.convention, frame.sent, counts.convention);
      const auto box = clean_box(raw, frame, counts);
      if (box) out.push_back({*box, normalise_score(raw.score, counts)});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Instance& a, const Instance& b) { return a.score > b.score; });
  out = merge(out, rules.merge_iou, counts);
  if (rules.max_instances > 0 && out.size() > rules.max_instances) {
    counts.boxes_beyond_limit += static_cast<std::int64_t>(out.size() - rules.max_instances);
    out.resize(rules.max_instances);
  }
  return out;
}

}  // namespace

MatchedAnswer match_items(const std::vector<std::string>& texts,
                          const std::vector<parse::GroundingItem>& items) {
  MatchedAnswer out;
  out.items.resize(texts.size());
  const LabelMatcher matcher(texts, items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t position = matcher.match(items[i]);
    if (position == kNobody) {
      ++out.unmatched_items;
    } else {
      out.items[position].push_back(i);
    }
  }
  return out;
}

Result<std::vector<std::vector<Instance>>> apply_grounding(const std::vector<std::string>& texts,
                                                           const parse::GroundingAnswer& answer,
                                                           const GroundingFrame& frame,
                                                           const GroundingRules& rules,
                                                           LabelCounts& counts) {
  // Boxes without one that can be used say no more about what is there than no answer.
  if (answer.items.empty() && answer.unusable_boxes > 0) {
    return fail(ErrorKind::kData,
                "none of the answer's boxes is one: points, words, or too many "
                "or too few numbers");
  }
  const MatchedAnswer matched = match_items(texts, answer.items);
  if (!answer.items.empty() &&
      matched.unmatched_items == static_cast<std::int64_t>(answer.items.size())) {
    return fail(ErrorKind::kData, "the answer speaks of none of the expressions that were asked");
  }
  counts.answers_unmatched += matched.unmatched_items;
  counts.boxes_dropped += answer.unusable_boxes;
  std::vector<std::vector<Instance>> out;
  for (const std::vector<std::size_t>& positions : matched.items) {
    if (positions.empty()) ++counts.expressions_unanswered;
    out.push_back(instances_of(positions, answer, frame, rules, counts));
  }
  return out;
}

}  // namespace alig
