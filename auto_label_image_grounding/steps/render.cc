#include "auto_label_image_grounding/steps/render.h"

#include <utility>
#include <vector>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/data/expression_id.h"

namespace alig {
namespace {

constexpr const char* kSource = "image_grounding";

void set_size(Record& record, const std::optional<ImageSize>& size) {
  if (!size) return;
  const auto set = [&](const char* key, int side) {
    // A right value keeps its spelling.
    if (record.value(key) != nlohmann::json(side)) record.set(key, fmt::format("{}", side));
  };
  set("width", size->width);
  set("height", size->height);
}

void append_step(Record& record, Step step) {
  const std::string* given = record.raw("pipeline_steps");
  std::vector<std::string> steps;
  if (given != nullptr && given->front() == '[') steps = split_raw_array(*given);
  steps.push_back(json_string(traits_of(step).pipeline_step));
  record.set("pipeline_steps", fmt::format("[{}]", fmt::join(steps, ", ")));
}

void set_error(Record& record, const std::optional<RecordError>& error) {
  record.erase("error");
  if (!error) return;
  record.set("error", fmt::format(R"({{"step": {}, "kind": {}, "message": {}}})",
                                  json_string(name_of(error->step)), json_string(error->kind),
                                  json_string(error->message)));
}

std::string render_expression(const Expression& expression, IdCounter& ids) {
  const std::string span =
      expression.char_span
          ? fmt::format("[{}, {}]", expression.char_span->begin, expression.char_span->end)
          : "null";
  return fmt::format(
      R"({{"text": {}, "instances": [], "expression_id": "{}", "char_span": {}, "noun_chunk": {}}})",
      json_string(expression.text), expression_id(ids.next_expression++), span,
      json_string(expression.noun_chunk));
}

std::string render_instances(const std::vector<Instance>& instances, IdCounter& ids) {
  std::string out = "[";
  for (const Instance& instance : instances) {
    const BoundingBox& box = instance.bbox;
    if (out.size() > 1) out += ", ";
    out += fmt::format(
        R"({{"bbox": [{}, {}, {}, {}], "score": {}, "bbox_score": {}, "bbox_id": "box_{:05}"}})",
        box.x1, box.y1, box.x2, box.y2, instance.score, instance.score, ids.next_box++);
  }
  return out + "]";
}

}  // namespace

Record render_extraction(const Sample& sample, const ExtractionResult& result,
                         const std::optional<RecordError>& error, IdCounter& ids) {
  Record out = sample.record;
  out.set_string("image_path", sample.image_path);
  const nlohmann::json id = out.value("image_id");
  if (id.is_null() || id == "") out.set_string("image_id", sample.image_id);
  set_size(out, result.size);
  out.set_string("cleaned_caption", result.cleaned_caption);
  std::vector<std::string> expressions;
  for (const Expression& expression : result.expressions) {
    expressions.push_back(render_expression(expression, ids));
  }
  out.set("expressions", fmt::format("[{}]", fmt::join(expressions, ", ")));
  out.set_string("source", kSource);
  if (!error) append_step(out, Step::kExtraction);
  set_error(out, error);
  return out;
}

Record render_grounding(Record extracted, const GroundingResult& result,
                        const std::optional<RecordError>& error, IdCounter& ids) {
  const nlohmann::json earlier_error = extracted.value("error");
  if (!earlier_error.is_null()) return extracted;
  set_size(extracted, result.size);
  const std::string* given = extracted.raw("expressions");
  std::vector<std::string> expressions;
  if (given != nullptr) expressions = split_raw_array(*given);
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    // read_extracted_record() has checked that these are objects.
    Record expression = Record::parse(expressions[i]).value_or(Record());
    const bool grounded = !error && i < result.instances.size();
    expression.set("instances",
                   render_instances(grounded ? result.instances[i] : std::vector<Instance>(), ids));
    expressions[i] = expression.dump();
  }
  extracted.set("expressions", fmt::format("[{}]", fmt::join(expressions, ", ")));
  if (!error) append_step(extracted, Step::kGrounding);
  set_error(extracted, error);
  return extracted;
}

}  // namespace alig
