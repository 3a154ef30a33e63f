#include "auto_label_image_grounding/run/run_report.h"

#include <cmath>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/key_names.h"
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

Json step_json(const RunCounts& counts, Step step) {
  const StepCallCounts& calls = counts.calls.steps[step];
  return {{"from_checkpoint", counts.from_checkpoint[step]},
          {"failed", counts.records.failed_in[step]},
          {"requests", calls.requests},
          {"retries", calls.retries},
          {"failed_attempts", calls.failed_attempts},
          {"tokens", to_json(calls.tokens)}};
}

Json labels_json(const RunCounts& counts) {
  auto named = counts.labels.named();
  named["answers_truncated"] = counts.calls.answers_truncated;
  return named;
}

// What the boxes of this run's answers say about the convention.
Json coordinates_json(const RunReport& report) {
  const ConventionEvidence& evidence = report.counts.labels.convention;
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

Json endpoints_json(const RunReport& report) {
  Json out = Json::array();
  for (const EndpointReport& endpoint : report.endpoints) {
    out.push_back({{"base_url", endpoint.base_url},
                   {"requests", endpoint.requests},
                   {"failed_attempts", endpoint.failed_attempts},
                   {"outages", endpoint.outages},
                   {"sent_otherwise", endpoint.sent_otherwise}});
  }
  return out;
}

}  // namespace

std::vector<std::string> warnings_of(const RunReport& report) {
  const RunCounts& counts = report.counts;
  std::vector<std::string> out;
  if (counts.size_mismatches > 0) {
    out.push_back(
        fmt::format("{} with a width or height that is not the image's: the image's was taken",
                    count_of(counts.size_mismatches, "record")));
  }
  if (counts.text_only > 0) {
    out.push_back(fmt::format("{} without a readable image, asked without it ({}=text_only)",
                              count_of(counts.text_only, "record"), key::kOnMissingImage));
  }
  if (counts.changed_images > 0) {
    out.push_back(
        fmt::format("{} with boxes of an image that has another size now, or could not be read "
                    "then: asked again",
                    count_of(counts.changed_images, "record")));
  }
  if (counts.replaced_images > 0) {
    out.push_back(
        fmt::format("{} with boxes of another image file of the same width and height (its "
                    "size in bytes differs): kept; if it shows something else now, label it "
                    "again with {}=true",
                    count_of(counts.replaced_images, "record"), key::kForceReprocess));
  }
  if (counts.other_model > 0) {
    out.push_back(fmt::format("{} made by another model than {}",
                              count_of(counts.other_model, "checkpoint"), report.model));
  }
  if (counts.images_downscaled > 0) {
    out.push_back(fmt::format("{} downscaled to fit the endpoint's limit for inline images",
                              count_of(counts.images_downscaled, "image")));
  }
  return out;
}

std::string to_json_text(const RunReport& report, int indent) {
  Json steps = Json::object();
  const RunCounts& counts = report.counts;
  for (const Step step : report.steps) steps[name_of(step)] = step_json(counts, step);
  const StepCallCounts total = counts.calls.total();
  const Json out = {
      {"status", report.status},
      {"message", report.message},
      {"version", kVersion},
      {"backend", report.backend},
      {"model", report.model},
      {"coordinates", coordinates_json(report)},
      {"records",
       {{"total", counts.input_records},
        {"done", counts.records.done},
        {"failed", counts.records.failed},
        {"bad_lines", counts.bad_lines}}},
      {"images", counts.images},
      {"expressions", counts.records.expressions},
      {"boxes", counts.records.boxes},
      {"requests",
       {{"sent", total.requests},
        {"retries", total.retries},
        {"lowest_concurrency", report.lowest_concurrency}}},
      {"endpoints", endpoints_json(report)},
      {"tokens", to_json(total.tokens)},
      {"steps", steps},
      {"failures_by_kind", counts.records.failures_by_kind},
      {"labels", labels_json(counts)},
      {"answer_repairs", counts.labels.repairs},
      {"pictures",
       {{"size_mismatches", counts.size_mismatches},
        {"changed", counts.changed_images},
        {"replaced", counts.replaced_images},
        {"text_only", counts.text_only},
        {"downscaled_for_limit", counts.images_downscaled}}},
      {"checkpoints",
       {{"from_other_model", counts.other_model}, {"from_stock", counts.stock_checkpoints}}},
      {"warnings", report.warnings},
      {"timing",
       {{"started_at", report.started_at}, {"seconds", std::round(report.seconds * 1000) / 1000}}},
  };
  return json_text(out, indent);
}

}  // namespace alig
