#include "auto_label_image_grounding/parse/extraction_answer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/box_json.h"
#include "auto_label_image_grounding/parse/lenient_json.h"
#include "auto_label_image_grounding/parse/number_text.h"

namespace alig::parse {
namespace {

constexpr std::size_t kQuotedBytes = 120;
constexpr int kMaxWrappers = 4;

// Keys as plain_key() has them; the first that is there counts.
constexpr std::array<std::string_view, 6> kCaptionKeys = {
    "cleanedcaption", "cleancaption", "cleaned", "correctedcaption", "caption", "cleanedtext"};
constexpr std::array<std::string_view, 9> kListKeys = {
    "expressions", "referringexpressions", "phrases", "nounphrases", "entities", "objects", "items",
    "mentions",    "expressionlist"};
constexpr std::array<std::string_view, 9> kTextKeys = {
    "text",  "expression", "referringexpression", "phrase", "nounphrase", "mention", "name",
    "label", "object"};
constexpr std::array<std::string_view, 9> kSpanKeys = {
    "charspan", "span", "spans", "charspans", "offsets", "offset", "position", "indices", "range"};
constexpr std::array<std::string_view, 6> kStartKeys = {"start",     "begin",      "startchar",
                                                        "charstart", "startindex", "startoffset"};
constexpr std::array<std::string_view, 6> kEndKeys = {"end",     "stop",     "endchar",
                                                      "charend", "endindex", "endoffset"};
constexpr std::array<std::string_view, 7> kNounKeys = {"nounchunk", "noun", "head",      "headnoun",
                                                       "corenoun",  "core", "nounchunks"};

// The value of the best key, in the order of `keys`; of a repeated key the last one, as in JSON.
template <typename List>
const Json* find_any(const Json& object, const List& keys) {
  const Json* best = nullptr;
  std::size_t best_rank = keys.size();
  for (const auto& [key, value] : object.get_ref<const Json::object_t&>()) {
    const std::string plain = plain_key(key);
    const auto rank =
        static_cast<std::size_t>(std::find(keys.begin(), keys.end(), plain) - keys.begin());
    if (rank < keys.size() && rank <= best_rank) {
      best = &value;
      best_rank = rank;
    }
  }
  return best;
}

std::optional<std::string> text_of(const Json* json) {
  if (json == nullptr || !json->is_string()) return std::nullopt;
  return json->get<std::string>();
}

std::optional<std::int64_t> position_of(const Json* json) {
  if (json == nullptr) return std::nullopt;
  std::optional<double> value;
  if (json->is_number()) value = json->get<double>();
  if (json->is_string()) value = whole_number_text(json->get_ref<const std::string&>());
  constexpr double kMaxPosition = 1e9;
  if (!value || !(*value >= 0) || *value > kMaxPosition || *value != std::floor(*value)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*value);
}

using Span = std::optional<std::pair<std::int64_t, std::int64_t>>;

Span span_between(std::optional<std::int64_t> start, std::optional<std::int64_t> end) {
  if (!start || !end || *start >= *end) return std::nullopt;
  return std::pair(*start, *end);
}

// "[0, 18]", "0-18", "0:18".
Span span_in_text(std::string text) {
  std::replace(text.begin(), text.end(), ':', ' ');
  std::replace(text.begin(), text.end(), '-', ' ');
  const NumberGroups numbers = read_number_groups(text);
  if (numbers.other_text || numbers.groups.size() != 1) return std::nullopt;
  const std::vector<double>& values = numbers.groups[0].values;
  if (values.size() != 2) return std::nullopt;
  const Json start = values[0], end = values[1];
  return span_between(position_of(&start), position_of(&end));
}

Span span_of(const Json& object);

Span span_of_value(const Json& json) {
  if (json.is_object()) return span_of(json);
  if (json.is_string()) return span_in_text(json.get<std::string>());
  if (!json.is_array() || json.empty()) return std::nullopt;
  if (json.size() == 1 && json[0].is_array() && json[0].size() == 2) {
    return span_between(position_of(&json[0][0]), position_of(&json[0][1]));
  }
  return json.size() == 2 ? span_between(position_of(&json[0]), position_of(&json[1]))
                          : std::nullopt;
}

Span span_of(const Json& object) {
  const Json* span = find_any(object, kSpanKeys);
  if (span != nullptr && !span->is_object()) return span_of_value(*span);
  const Json& holder = span == nullptr ? object : *span;
  return span_between(position_of(find_any(holder, kStartKeys)),
                      position_of(find_any(holder, kEndKeys)));
}

// Keys of a description, not an expression: {"char_span": [0, 5]}.
bool describes(const Json& object) {
  return find_any(object, kTextKeys) != nullptr || find_any(object, kSpanKeys) != nullptr ||
         find_any(object, kNounKeys) != nullptr || find_any(object, kStartKeys) != nullptr;
}

class AnswerBuilder {
 public:
  explicit AnswerBuilder(ExtractionAnswer& out) : out_(out) {}

  // A list of expressions, or an object keyed by them. What the text's end cuts is left out: its
  // span may be missing.
  void add_list(const Node& list) {
    if (list.json->is_object()) {
      add_keyed(list);
      return;
    }
    for (std::size_t i = 0; i < list.json->size(); ++i) {
      const Node element = element_of(list, i);
      if (!element.is_cut()) add_element(*element.json);
    }
  }

  void add_object(const Json& object) {
    add(text_of(find_any(object, kTextKeys)).value_or(""), span_of(object),
        text_of(find_any(object, kNounKeys)).value_or(""));
  }

 private:
  void add_element(const Json& element) {
    if (element.is_string()) {
      add(element.get<std::string>(), std::nullopt, "");
    } else if (element.is_object()) {
      add_object_element(element);
    } else if (element.is_array() && !element.empty() && element[0].is_string()) {
      add_tuple(element);
    } else {
      ++out_.unusable_expressions;
    }
  }

  // In a list also {"the red car": {…}}: one expression as the key.
  void add_object_element(const Json& element) {
    if (element.size() == 1 && !describes(element)) {
      add_keyed({&element, 0});
    } else {
      add_object(element);
    }
  }

  // ["a man", [0, 5], "man"].
  void add_tuple(const Json& tuple) {
    Span span;
    std::string noun;
    for (std::size_t i = 1; i < tuple.size(); ++i) {
      if (tuple[i].is_array()) span = span_of_value(tuple[i]);
      if (tuple[i].is_string()) noun = tuple[i].get<std::string>();
    }
    add(tuple[0].get<std::string>(), span, noun);
  }

  void add_keyed(const Node& object) {
    const auto& map = object.json->get_ref<const Json::object_t&>();
    for (const auto& [text, value] : map) {
      const bool cut = object.open > 1 && &value == &map.back().second && value.is_structured();
      if (!cut) add_pair(text, value);
    }
  }

  void add_pair(const std::string& text, const Json& value) {
    if (value.is_object()) {
      add(text, span_of(value), text_of(find_any(value, kNounKeys)).value_or(""));
    } else {
      add(text, span_of_value(value), value.is_string() ? value.get<std::string>() : "");
    }
  }

  void add(std::string text, Span span, std::string noun) {
    if (trim(text).empty()) {
      ++out_.unusable_expressions;
    } else {
      out_.expressions.push_back({std::move(text), span, std::move(noun)});
    }
  }

  ExtractionAnswer& out_;
};

// How well a block fits what was asked for.
enum class Fit { kNone, kKeyed, kEmpty, kStrings, kExpression, kList, kAnswer };

struct Candidate {
  Fit fit = Fit::kNone;
  Node node;                     // what holds the expressions
  const Json* holder = nullptr;  // the object that holds `node`; may have the caption
};

bool is_expression(const Json& json) {
  if (!json.is_object()) return false;
  const Json* text = find_any(json, kTextKeys);
  return text != nullptr && text->is_string();
}

bool is_tuple(const Json& json) { return json.is_array() && !json.empty() && json[0].is_string(); }

// An object whose values are all spans or descriptions of expressions.
bool is_keyed(const Json& object) {
  return !object.empty() && !describes(object) &&
         std::all_of(object.begin(), object.end(), [](const Json& value) {
           if (value.is_null()) return true;
           if (value.is_array()) return span_of_value(value).has_value();
           return value.is_object() &&
                  (value.empty() || span_of(value) || find_any(value, kNounKeys) != nullptr);
         });
}

Fit fit_of_list(const Json& list) {
  if (list.empty()) return Fit::kEmpty;
  const auto any = [&](auto test) { return std::any_of(list.begin(), list.end(), test); };
  if (any(is_expression)) return Fit::kList;
  if (any(is_tuple)) return Fit::kList;
  if (any([](const Json& e) { return e.is_object() && e.size() == 1 && is_keyed(e); })) {
    return Fit::kList;
  }
  return any([](const Json& e) { return e.is_string(); }) ? Fit::kStrings : Fit::kNone;
}

// The entry of an object that holds its list of expressions.
std::optional<Node> list_entry(const Node& object) {
  const Json* list = find_any(*object.json, kListKeys);
  if (list == nullptr || !(list->is_structured() || list->is_null())) return std::nullopt;
  const auto& map = object.json->get_ref<const Json::object_t&>();
  return inside(object, *list, &map.back().second == list);
}

Candidate judge(const Node& node, int wrappers) {
  const Json& json = *node.json;
  if (json.is_array()) return {fit_of_list(json), node, nullptr};
  if (!json.is_object()) return {};
  if (const auto list = list_entry(node)) return {Fit::kAnswer, *list, &json};
  if (is_expression(json)) return {node.is_cut() ? Fit::kNone : Fit::kExpression, node, nullptr};
  if (json.empty()) return {node.is_cut() ? Fit::kNone : Fit::kEmpty, node, nullptr};
  if (is_keyed(json)) return {Fit::kKeyed, node, nullptr};
  // {"result": {…}}.
  if (json.size() == 1 && wrappers < kMaxWrappers && json.front().is_structured()) {
    return judge(inside(node, json.front(), true), wrappers + 1);
  }
  return {};
}

void add_caption(const Json& holder, ExtractionAnswer& out) {
  const auto caption = text_of(find_any(holder, kCaptionKeys));
  if (caption && !trim(*caption).empty()) out.cleaned_caption = caption;
}

ExtractionAnswer build(const std::vector<Candidate>& candidates, const Candidate& best) {
  ExtractionAnswer out;
  AnswerBuilder builder(out);
  if (best.fit == Fit::kExpression) {
    for (const Candidate& candidate : candidates) {
      if (candidate.fit == Fit::kExpression) builder.add_object(*candidate.node.json);
    }
    return out;
  }
  if (best.holder != nullptr) add_caption(*best.holder, out);
  if (best.node.json->is_structured()) builder.add_list(best.node);
  return out;
}

// What the text contains instead of an answer.
std::string describe(const LenientJson& json, std::string_view answer) {
  const std::string_view trimmed = trim(answer);
  if (json.cut_in_reasoning) return "the answer ends inside its reasoning";
  if (trimmed.empty()) return "the answer is empty";
  const char* what = json.blocks.empty() ? "the answer holds no JSON"
                                         : "the answer's JSON holds no list of expressions";
  return fmt::format("{}: \"{}\"", what, shorten(scrub_utf8(trimmed), kQuotedBytes));
}

}  // namespace

Result<ExtractionAnswer> read_extraction_answer(std::string_view text) {
  const LenientJson json = read_lenient_json(text);
  std::vector<Candidate> candidates;
  for (const JsonBlock& block : json.blocks) {
    candidates.push_back(judge({&block.value, block.open_containers}, 0));
  }
  Candidate best;
  for (const Candidate& candidate : candidates) {
    if (candidate.fit >= best.fit) best = candidate;
  }
  if (best.fit == Fit::kNone) {
    const std::size_t length = json.answer_end - json.answer_begin;
    return fail(ErrorKind::kData, describe(json, text.substr(json.answer_begin, length)));
  }
  ExtractionAnswer out = build(candidates, best);
  out.truncated = json.blocks.back().truncated || json.cut_in_reasoning;
  for (const Repair repair : json.repairs) out.repairs.emplace_back(name_of(repair));
  std::sort(out.repairs.begin(), out.repairs.end());
  return out;
}

}  // namespace alig::parse
