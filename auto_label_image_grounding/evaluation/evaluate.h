// Annotations against known truth: how good are the labels of a run?
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/evaluation/evaluation_record.h"
#include "auto_label_image_grounding/evaluation/phrase_score.h"

namespace alig {

// A phrase with what was expected and what was found.
struct WorstPhrase {
  double mean_iou = 0;
  std::uint32_t truth_line = 0;
  std::uint32_t predicted_line = 0;  // 0: the record has no annotation
  std::string image_path;
  std::string phrase;
  std::vector<EvaluationBox> truth_boxes;
  std::vector<EvaluationBox> predicted_boxes;  // with those inside crowds
  bool found = false;
};

struct Evaluation {
  std::int64_t records = 0;        // of the truth
  std::int64_t without_truth = 0;  // of these, gt is null: only spans are judged
  std::int64_t missing = 0;        // of these, without annotation: all boxes are misses
  std::int64_t failed = 0;         // annotations that carry an error
  std::int64_t extra = 0;          // annotations without truth, left out
  bool in_order = true;            // annotations with a truth are in its order

  std::int64_t phrases = 0;
  std::int64_t missed_phrases = 0;  // no expression
  std::int64_t truth_boxes = 0;
  std::int64_t predicted_boxes = 0;  // of the expressions that belong to a phrase
  std::int64_t unjudged_boxes = 0;   // of other expressions: the truth need not be complete
  std::array<std::int64_t, kIouThresholds.size()> matched_at = {};
  std::int64_t matched = 0;
  double sum_iou = 0;
  std::int64_t pointings = 0, good_pointings = 0;  // phrases with truth boxes; centre inside
  std::int64_t spans = 0, false_spans = 0, null_spans = 0;
  std::int64_t compared_spans = 0, agreeing_spans = 0;  // with the truth's
  std::vector<WorstPhrase> worst;                       // the lowest mean IoU first
  std::vector<std::string> problems;                    // the first 20, with line numbers
  std::int64_t unlisted_problems = 0;                   // those after them

  double recall_at(std::size_t threshold) const;  // index into kIouThresholds
  double precision_at(std::size_t threshold) const;
  double mean_iou() const;          // over all boxes of the truth, 0 for a miss
  double mean_matched_iou() const;  // over matched boxes
  double pointing_accuracy() const;
  double true_span_ratio() const;  // of the given spans
  double null_span_ratio() const;  // of all expressions
  double span_agreement() const;   // of the compared spans
  // False spans, missing or extra records, another order. Failed records are listed, but do not
  // count here: they state themselves that they have no labels.
  bool has_problems() const;
};

// Streams both files. Errors name file and line: kNotFound, kIo, kData.
Result<Evaluation> evaluate(const std::filesystem::path& annotations,
                            const std::filesystem::path& truth, std::size_t worst);

}  // namespace alig
