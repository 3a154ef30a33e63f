#include "auto_label_image_grounding/evaluation/evaluation_record.h"

#include <cstdint>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/record.h"

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
  if (box[2] < box[0] || box[3] < box[1]) {
    throw BadRecord{fmt::format(
        "\"{}\" holds {}, which is not [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2 (is it "
        "[x, y, width, height]?)",
        key, json_text(value))};
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

// A span of the truth that holds nothing of its caption is a mistake there, not a label's.
void check_span(const Json& entry, const std::optional<CharSpan>& span, std::int64_t length) {
  if (!span || (0 <= span->begin && span->begin < span->end && span->end <= length)) return;
  throw BadRecord{fmt::format(
      "\"span\" is {} for \"{}\", which is not [begin, end] with 0 <= begin < end <= {}, the "
      "caption's length in code points",
      json_text(entry["span"]), entry["phrase"].get<std::string>(), length)};
}

TruthPhrase phrase_of(const Json& entry, std::int64_t caption_length) {
  TruthPhrase out;
  out.phrase = text_of(entry, "phrase");
  out.boxes = boxes_of(entry, "boxes");
  if (is_given(entry, "crowd_boxes")) out.crowds = boxes_of(entry, "crowd_boxes");
  out.span = span_of(entry, "span");
  check_span(entry, out.span, caption_length);
  return out;
}

TruthRecord truth_of(const Json& record) {
  TruthRecord out;
  out.image_path = text_of(record, "image_path");
  out.caption = text_of(record, "caption");
  if (member(record, "gt").is_null()) return out;
  out.phrases.emplace();
  const auto length = static_cast<std::int64_t>(count_code_points(out.caption));
  for (const Json& entry : list_of(record, "gt")) {
    out.phrases->push_back(phrase_of(object_in(entry, "gt"), length));
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

// The message of an `error`, whatever its form.
std::string failure_of(const Json& error) {
  const bool has_message = error.is_object() && is_given(error, "message");
  const Json& message = has_message ? error["message"] : error;
  return message.is_string() ? message.get<std::string>() : json_text(message);
}

PredictedRecord prediction_of(const Json& record) {
  PredictedRecord out;
  out.image_path = text_of(record, "image_path");
  out.caption = text_of(record, "caption");
  if (is_given(record, "error")) out.failure = failure_of(record["error"]);
  if (is_given(record, "cleaned_caption")) out.cleaned_caption = text_of(record, "cleaned_caption");
  for (const Json& entry : list_of(record, "expressions")) {
    out.expressions.push_back(expression_of(object_in(entry, "expressions")));
  }
  return out;
}

template <typename Read>
auto read(std::string_view line, Read convert) -> Result<decltype(convert(Json()))> {
  const Json record = parse_json(line);
  if (!record.is_object()) {
    // Read again for the reason; also where the first reader refuses what this one takes.
    const auto reason = Record::parse(line);
    return fail(ErrorKind::kData, reason ? "not a JSON object" : reason.error().message);
  }
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
