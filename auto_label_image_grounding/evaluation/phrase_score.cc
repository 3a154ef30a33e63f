#include "auto_label_image_grounding/evaluation/phrase_score.h"

#include <algorithm>
#include <cstddef>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/phrase.h"
#include "auto_label_image_grounding/evaluation/box_matching.h"

namespace alig {
namespace {

using Expressions = std::vector<PredictedExpression>;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

template <typename Fits>
std::size_t first_free(const Expressions& expressions, const std::vector<bool>& taken, Fits fits) {
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    if (!taken[i] && fits(expressions[i])) return i;
  }
  return kNone;
}

// For each phrase the position of its expression, or kNone. Spans first, for all phrases: a phrase
// that occurs twice in the caption must not take the other's expression by its words.
std::vector<std::size_t> pair_phrases(const std::vector<TruthPhrase>& phrases,
                                      const Expressions& expressions, bool spans_compare) {
  std::vector<std::size_t> out(phrases.size(), kNone);
  std::vector<bool> taken(expressions.size());
  const auto take = [&](std::size_t phrase, auto fits) {
    if (out[phrase] != kNone) return;
    out[phrase] = first_free(expressions, taken, fits);
    if (out[phrase] != kNone) taken[out[phrase]] = true;
  };
  for (std::size_t i = 0; i < phrases.size() && spans_compare; ++i) {
    if (!phrases[i].span) continue;
    take(i, [&](const PredictedExpression& e) { return e.span == phrases[i].span; });
  }
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    const std::string words = normalized_phrase(phrases[i].phrase);
    take(i, [&](const PredictedExpression& e) { return normalized_phrase(e.text) == words; });
  }
  return out;
}

bool holds(const EvaluationBox& box, double x, double y) {
  return x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3];
}

bool points_at(const std::vector<EvaluationBox>& truth, const PredictedExpression& expression) {
  const auto best = std::max_element(expression.scores.begin(), expression.scores.end());
  if (best == expression.scores.end()) return false;
  const auto& box = expression.boxes[static_cast<std::size_t>(best - expression.scores.begin())];
  const double x = (box[0] + box[2]) / 2, y = (box[1] + box[3]) / 2;
  return std::any_of(truth.begin(), truth.end(),
                     [&](const EvaluationBox& candidate) { return holds(candidate, x, y); });
}

void score_boxes(const TruthPhrase& truth, const PredictedExpression& expression,
                 PhraseScore& score) {
  std::vector<bool> counts(expression.boxes.size());
  for (std::size_t i = 0; i < expression.boxes.size(); ++i) {
    counts[i] = !is_in_crowd(expression.boxes[i], truth.crowds);
  }
  for (const BoxPair& pair : match_boxes(truth.boxes, expression.boxes)) {
    counts[pair.predicted] = true;
    ++score.matched;
    score.sum_iou += pair.iou;
    for (std::size_t i = 0; i < kIouThresholds.size(); ++i) {
      score.matched_at[i] += pair.iou >= kIouThresholds[i] ? 1 : 0;
    }
  }
  score.predicted_boxes = std::count(counts.begin(), counts.end(), true);
}

PhraseScore score_phrase(const TruthPhrase& truth, const PredictedExpression* expression,
                         bool spans_compare) {
  PhraseScore score;
  score.phrase = truth.phrase;
  score.truth_boxes = static_cast<std::int64_t>(truth.boxes.size());
  if (expression != nullptr) score_boxes(truth, *expression, score);
  if (!truth.boxes.empty()) {
    score.points_at_it = expression != nullptr && points_at(truth.boxes, *expression);
  }
  if (truth.span && spans_compare && expression != nullptr) {
    score.span_agrees = expression->span == truth.span;
  }
  return score;
}

void check_spans_of(const PredictedRecord& predicted, RecordScore& score) {
  const auto caption = lower_code_points(to_code_points(predicted.cleaned_caption));
  for (const PredictedExpression& expression : predicted.expressions) {
    if (!expression.span) {
      ++score.null_spans;
      continue;
    }
    ++score.spans;
    if (is_true_span(*expression.span, caption, expression.text)) continue;
    score.false_spans.push_back(fmt::format("\"{}\" is not at [{}, {}]", expression.text,
                                            expression.span->begin, expression.span->end));
  }
}

}  // namespace

double PhraseScore::mean_iou() const {
  if (truth_boxes > 0) return sum_iou / static_cast<double>(truth_boxes);
  return predicted_boxes == 0 ? 1 : 0;
}

RecordScore score_record(const TruthRecord& truth, const PredictedRecord& predicted) {
  RecordScore score;
  check_spans_of(predicted, score);
  if (!truth.phrases) return score;
  const bool spans_compare = truth.caption == predicted.cleaned_caption;
  const auto pairs = pair_phrases(*truth.phrases, predicted.expressions, spans_compare);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto* expression = pairs[i] == kNone ? nullptr : &predicted.expressions[pairs[i]];
    score.phrases.push_back(score_phrase((*truth.phrases)[i], expression, spans_compare));
    if (expression != nullptr) score.phrases.back().expression = pairs[i];
  }
  for (std::size_t i = 0; i < predicted.expressions.size(); ++i) {
    if (std::find(pairs.begin(), pairs.end(), i) != pairs.end()) continue;
    score.unjudged_boxes += static_cast<std::int64_t>(predicted.expressions[i].boxes.size());
  }
  return score;
}

}  // namespace alig
