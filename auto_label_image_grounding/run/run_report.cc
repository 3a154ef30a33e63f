#include "auto_label_image_grounding/run/run_report.h"

#include <cmath>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/base/version.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const TokenUsage& tokens) {
  return {{"input", tokens.input},
          {"output", tokens.output},
          {"thinking", tokens.thinking},
          {"cached", tokens.cached}};
}

Json to_json(const StepReport& step) {
  return {{"from_checkpoint", step.from_checkpoint},
          {"failed", step.failed},
          {"requests", step.requests},
          {"retries", step.retries},
          {"failed_attempts", step.failed_attempts},
          {"tokens", to_json(step.tokens)}};
}

// What the boxes of this run's answers say about the convention.
Json coordinates_json(const RunReport& report) {
  const ConventionEvidence& evidence = report.labels.convention;
  Json out = {{"setting", report.coordinates_setting},
              {"convention", report.coordinates},
              {"model_family", report.model_family},
              {"boxes", evidence.boxes},
              {"beyond_range", evidence.beyond_range},
              {"tiny", evidence.tiny},
              {"full_image", evidence.full_image},
              {"in_unit_range", evidence.in_unit_range},
              {"doubt", nullptr},
              {"better", nullptr}};
  if (!report.convention_doubt) return out;
  out["doubt"] = report.convention_doubt->reason;
  if (report.convention_doubt->better) out["better"] = name_of(*report.convention_doubt->better);
  return out;
}

}  // namespace

TokenUsage RunReport::tokens() const {
  TokenUsage sum = step[0].tokens;
  sum += step[1].tokens;
  return sum;
}

std::vector<std::string> warnings_of(const RunReport& report) {
  std::vector<std::string> out;
  if (report.size_mismatches > 0) {
    out.push_back(
        fmt::format("{} with a width or height that is not the image's: the image's was taken",
                    count_of(report.size_mismatches, "record")));
  }
  if (report.text_only > 0) {
    out.push_back(
        fmt::format("{} without a readable image, asked without it "
                    "(data.on_missing_image: text_only)",
                    count_of(report.text_only, "record")));
  }
  if (report.changed_images > 0) {
    out.push_back(
        fmt::format("{} with boxes of an image that has another size now, or could not be read "
                    "then: asked again",
                    count_of(report.changed_images, "record")));
  }
  if (report.replaced_images > 0) {
    out.push_back(
        fmt::format("{} with boxes of another image file of the same width and height (its "
                    "size in bytes differs): kept; if it shows something else now, label it "
                    "anew with image_grounding.workflow.force_reprocess=true",
                    count_of(report.replaced_images, "record")));
  }
  if (report.other_model > 0) {
    out.push_back(fmt::format("{} made by another model than {}",
                              count_of(report.other_model, "checkpoint"), report.model));
  }
  if (report.images_downscaled > 0) {
    out.push_back(fmt::format("{} downscaled to fit the endpoint's limit for inline images",
                              count_of(report.images_downscaled, "image")));
  }
  return out;
}

std::string to_json_text(const RunReport& report, int indent) {
  Json steps = Json::object();
  for (const std::string& name : report.steps) {
    steps[name] = to_json(report.step[name == "0" ? 0 : 1]);
  }
  const Json out = {
      {"status", report.status},
      {"message", report.message},
      {"version", kVersion},
      {"backend", report.backend},
      {"model", report.model},
      {"coordinates", coordinates_json(report)},
      {"records",
       {{"total", report.records},
        {"done", report.done},
        {"failed", report.failed},
        {"bad_lines", report.bad_lines}}},
      {"images", report.images},
      {"expressions", report.expressions},
      {"boxes", report.boxes},
      {"requests",
       {{"sent", report.requests()},
        {"retries", report.retries()},
        {"lowest_concurrency", report.lowest_concurrency}}},
      {"tokens", to_json(report.tokens())},
      {"steps", steps},
      {"failures_by_kind", report.failures_by_kind},
      {"labels", report.labels.named()},
      {"answer_repairs", report.labels.repairs},
      {"pictures",
       {{"size_mismatches", report.size_mismatches},
        {"changed", report.changed_images},
        {"replaced", report.replaced_images},
        {"text_only", report.text_only},
        {"downscaled_for_limit", report.images_downscaled}}},
      {"checkpoints",
       {{"from_other_model", report.other_model}, {"from_stock", report.stock_checkpoints}}},
      {"warnings", report.warnings},
      {"timing",
       {{"started_at", report.started_at}, {"seconds", std::round(report.seconds * 1000) / 1000}}},
  };
  return json_text(out, indent);
}

}  // namespace alig
