// What a record still needs: the one place that decides it. Pure: no disk, no clock, no counters.
//
// Loading, running, the dry run, the writer and resuming all act on this decision.
#pragma once

#include <cstdint>
#include <optional>

#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/image/image_size.h"

namespace alig {

// What is known about one step of a record.
struct StepFacts {
  bool input_known = false;     // what the step works on: the caption, the expressions
  bool nothing_to_ask = false;  // a blank caption, no expressions: the result is known to be empty
  bool looked_up = false;       // in the checkpoints
  bool has_result = false;
  // Of a result: the size of the image that it was made for, if recorded…
  std::optional<ImageSize> size;
  // …and whether that image could not be read or sent: the size is the record's own, boxes are
  // guesses.
  bool without_image = false;
};

struct RecordFacts {
  bool failed = false;  // in this run, or in an earlier one according to its line
  PerStep<StepFacts> steps;
};

// An image as it is now.
struct ImageState {
  ImageSize upright;      // of its header, else the record's own
  bool readable = false;  // its header is
  bool usable = false;    // it can be sent
};

struct RecordRules {
  StepSet steps;         // of this run
  bool guesses = false;  // the model is asked without an image that cannot be read
};

enum class Action : std::uint8_t {
  kNone,    // the record has failed, or has all its results
  kLookUp,  // the step's result in the checkpoints
  kDrop,    // the step's result: it describes another image
  kResize,  // the size in the step's result, which is valid for any image
  kSettle,  // the step, with an empty result: there is nothing to ask
  kAsk,     // the model
};

struct Need {
  Action action = Action::kNone;
  Step step = Step::kExtraction;
  bool operator==(const Need&) const = default;
};

// What to do next. Repeatedly performing the action and asking again ends in kNone or kAsk.
Need next_need(const RecordFacts& record, const ImageState& image, const RecordRules& rules);

// The first step whose result is to be looked up, whatever the image, if any.
std::optional<Step> next_look_up(const RecordFacts& record, const RecordRules& rules);

// The steps that the model must be asked for, as far as known: includes all steps that need one of
// them.
StepSet requests_ahead(const RecordFacts& record, const RecordRules& rules);

// Whether there is a result of every step.
bool has_all_results(const RecordFacts& record, const RecordRules& rules);

// Whether the record can be written: it has failed, or has all results.
bool is_finished(const RecordFacts& record, const RecordRules& rules);

}  // namespace alig
