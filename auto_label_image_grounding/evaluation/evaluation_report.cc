#include "auto_label_image_grounding/evaluation/evaluation_report.h"

#include <algorithm>
#include <cmath>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;

double rounded(double value) {
  constexpr double kDecimals = 10000;
  return std::round(value * kDecimals) / kDecimals;
}

Json to_json(const WorstPhrase& worst) {
  return {{"mean_iou", rounded(worst.mean_iou)},
          {"truth_line", worst.truth_line},
          {"annotation_line", worst.predicted_line},
          {"image_path", worst.image_path},
          {"phrase", worst.phrase},
          {"found", worst.found},
          {"truth_boxes", worst.truth_boxes},
          {"predicted_boxes", worst.predicted_boxes}};
}

// The first few: a crowd of boxes would bury the other phrases.
std::string text_of(const std::vector<EvaluationBox>& boxes) {
  constexpr std::size_t kShown = 4;
  if (boxes.empty()) return "none";
  std::string out;
  for (std::size_t i = 0; i < std::min(boxes.size(), kShown); ++i) {
    out += fmt::format("{}[{}]", i > 0 ? " " : "", fmt::join(boxes[i], ", "));
  }
  return boxes.size() > kShown ? out + fmt::format(" and {} more", boxes.size() - kShown) : out;
}

std::string line_of(const WorstPhrase& worst) {
  return fmt::format("  {:.4f}  {}:{}  \"{}\"\n          truth {}; predicted {}\n", worst.mean_iou,
                     worst.image_path, worst.truth_line, worst.phrase, text_of(worst.truth_boxes),
                     worst.found ? text_of(worst.predicted_boxes) : "nothing: no expression");
}

Json to_json(const Evaluation& e) {
  Json recall = Json::object(), precision = Json::object(), worst = Json::array();
  for (std::size_t i = 0; i < kIouThresholds.size(); ++i) {
    recall[fmt::format("{}", kIouThresholds[i])] = rounded(e.recall_at(i));
    precision[fmt::format("{}", kIouThresholds[i])] = rounded(e.precision_at(i));
  }
  for (const WorstPhrase& phrase : e.worst) worst.push_back(to_json(phrase));
  return {
      {"records",
       {{"total", e.records},
        {"without_truth", e.without_truth},
        {"missing", e.missing},
        {"failed", e.failed},
        {"extra", e.extra},
        {"in_order", e.in_order}}},
      {"phrases", {{"total", e.phrases}, {"missed", e.missed_phrases}}},
      {"boxes",
       {{"truth", e.truth_boxes},
        {"predicted", e.predicted_boxes},
        {"unjudged", e.unjudged_boxes},
        {"matched", e.matched}}},
      {"recall", recall},
      {"precision", precision},
      {"mean_iou", rounded(e.mean_iou())},
      {"mean_matched_iou", rounded(e.mean_matched_iou())},
      {"pointing", {{"phrases", e.pointings}, {"accuracy", rounded(e.pointing_accuracy())}}},
      {"spans",
       {{"given", e.spans},
        {"false", e.false_spans},
        {"null", e.null_spans},
        {"compared_with_truth", e.compared_spans},
        {"agree", e.agreeing_spans},
        {"true_ratio", rounded(e.true_span_ratio())},
        {"null_ratio", rounded(e.null_span_ratio())},
        {"agreement", rounded(e.span_agreement())}}},
      {"worst", worst},
      {"problems", e.problems},
      {"unlisted_problems", e.unlisted_problems},
  };
}

}  // namespace

std::string to_json_text(const Evaluation& evaluation, int indent) {
  return json_text(to_json(evaluation), indent);
}

std::string to_text(const Evaluation& e) {
  std::string out = fmt::format(
      "records            {} ({} without truth, {} missing, {} failed; {} without "
      "truth)\n"
      "phrases            {} ({} missed)\n"
      "boxes              {} of the truth, {} predicted for them, {} not judged\n\n"
      "at IoU             recall  precision\n",
      e.records, e.without_truth, e.missing, e.failed, count_of(e.extra, "annotation"), e.phrases,
      e.missed_phrases, e.truth_boxes, e.predicted_boxes, e.unjudged_boxes);
  for (std::size_t i = 0; i < kIouThresholds.size(); ++i) {
    out += fmt::format("{:<17}  {:.4f}  {:.4f}\n", kIouThresholds[i], e.recall_at(i),
                       e.precision_at(i));
  }
  out += fmt::format(
      "\nmean IoU           {:.4f} over the truth's boxes (a miss counts 0), {:.4f} over the {} "
      "matched\n"
      "pointing accuracy  {:.4f} of {}\n"
      "spans              {} true of {} given, {} null; {} of {} as in the truth\n",
      e.mean_iou(), e.mean_matched_iou(), e.matched, e.pointing_accuracy(),
      count_of(e.pointings, "phrase"), e.spans - e.false_spans, e.spans, e.null_spans,
      e.agreeing_spans, e.compared_spans);
  if (!e.worst.empty()) out += "\nworst phrases (mean IoU, image:line of the truth)\n";
  for (const WorstPhrase& phrase : e.worst) out += line_of(phrase);
  for (const std::string& problem : e.problems) out += "problem: " + problem + "\n";
  if (e.unlisted_problems > 0) out += "and " + count_of(e.unlisted_problems, "more problem") + "\n";
  return out;
}

}  // namespace alig
