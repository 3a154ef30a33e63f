#include "auto_label_image_grounding/evaluation/evaluation_record.h"

#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace alig {
namespace {

using Json = nlohmann::json;

// Thrown and caught in this file alone: the readers below go several levels deep.
struct BadRecord {
  std::string message;
};

const Json& member(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) throw BadRecord{fmt::format("\"{}\" is missing", key)};
  return *found;
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_string()) throw BadRecord{fmt::format("\"{}\" is not text", key)};
  return value.get<std::string>();
}

const Json& list_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_array()) throw BadRecord{fmt::format("\"{}\" is not a list", key)};
  return value;
}

const Json& object_in(const Json& value, const char* list) {
  if (!value.is_object()) throw BadRecord{fmt::format("\"{}\" holds what is not an object", list)};
  return value;
}

EvaluationBox box_of(const Json& value, const char* key) {
  EvaluationBox box{};
  if (!value.is_array() || value.size() != box.size()) {
    throw BadRecord{fmt::format("\"{}\" is not [x1, y1, x2, y2]", key)};
  }
  for (std::size_t i = 0; i < box.size(); ++i) {
    if (!value[i].is_number()) throw BadRecord{fmt::format("\"{}\" holds no number", key)};
    box[i] = value[i].get<double>();
  }
  return box;
}

std::vector<EvaluationBox> boxes_of(const Json& object, const char* key) {
  std::vector<EvaluationBox> boxes;
  for (const Json& box : list_of(object, key)) boxes.push_back(box_of(box, key));
  return boxes;
}

bool is_given(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && !found->is_null();
}

std::optional<CharSpan> span_of(const Json& object, const char* key) {
  if (!is_given(object, key)) return std::nullopt;
  const Json& span = object[key];
  const bool good = span.is_array() && span.size() == 2 && span[0].is_number_integer() &&
                    span[1].is_number_integer();
  if (!good) throw BadRecord{fmt::format("\"{}\" is not [begin, end]", key)};
  return CharSpan{span[0].get<std::int64_t>(), span[1].get<std::int64_t>()};
}

TruthPhrase phrase_of(const Json& entry) {
  TruthPhrase out;
  out.phrase = text_of(entry, "phrase");
  out.boxes = boxes_of(entry, "boxes");
  if (is_given(entry, "crowd_boxes")) out.crowds = boxes_of(entry, "crowd_boxes");
  out.span = span_of(entry, "span");
  return out;
}

TruthRecord truth_of(const Json& record) {
  TruthRecord out;
  out.image_path = text_of(record, "image_path");
  out.caption = text_of(record, "caption");
  if (!is_given(record, "gt")) return out;
  out.phrases.emplace();
  for (const Json& entry : list_of(record, "gt")) {
    out.phrases->push_back(phrase_of(object_in(entry, "gt")));
  }
  return out;
}

PredictedExpression expression_of(const Json& entry) {
  PredictedExpression out;
  out.text = text_of(entry, "text");
  out.span = span_of(entry, "char_span");
  for (const Json& instance : list_of(entry, "instances")) {
    out.boxes.push_back(box_of(member(object_in(instance, "instances"), "bbox"), "bbox"));
    const Json& score = member(instance, "score");
    if (!score.is_number()) throw BadRecord{"\"score\" is not a number"};
    out.scores.push_back(score.get<double>());
  }
  return out;
}

PredictedRecord prediction_of(const Json& record) {
  PredictedRecord out;
  out.image_path = text_of(record, "image_path");
  out.caption = text_of(record, "caption");
  out.failed = is_given(record, "error");
  if (is_given(record, "cleaned_caption")) out.cleaned_caption = text_of(record, "cleaned_caption");
  for (const Json& entry : list_of(record, "expressions")) {
    out.expressions.push_back(expression_of(object_in(entry, "expressions")));
  }
  return out;
}

template <typename Read>
auto read(std::string_view line, Read convert) -> Result<decltype(convert(Json()))> {
  const Json record = Json::parse(line, nullptr, false);
  if (!record.is_object()) return fail(ErrorKind::kData, "the line is not a JSON object");
  try {
    return convert(record);
  } catch (const BadRecord& bad) {
    return fail(ErrorKind::kData, bad.message);
  }
}

}  // namespace

Result<TruthRecord> read_truth_record(std::string_view line) { return read(line, truth_of); }

Result<PredictedRecord> read_predicted_record(std::string_view line) {
  return read(line, prediction_of);
}

}  // namespace alig
