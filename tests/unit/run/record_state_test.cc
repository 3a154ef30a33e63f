#include "auto_label_image_grounding/run/record_state.h"

#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace alig {
namespace {

constexpr ImageSize kSize{40, 30};
constexpr ImageSize kOther{50, 30};
constexpr StepSet kBoth = {Step::kExtraction, Step::kGrounding};
constexpr StepSet kFirst = {Step::kExtraction};
constexpr StepSet kSecond = {Step::kGrounding};

constexpr ImageState kThere{kSize, true, true};
constexpr ImageState kUndecodable{kSize, true, false};
constexpr ImageState kMissing{kSize, false, false};  // the record states the size

std::string to_text(const Need& need) {
  static const std::vector<std::string> kActions = {"none",   "look up", "drop",
                                                    "resize", "settle",  "ask"};
  const std::string& action = kActions[static_cast<std::size_t>(need.action)];
  return need.action == Action::kNone ? action : action + " " + name_of(need.step);
}

// One step's facts, in short.
StepFacts facts(bool input_known, bool nothing_to_ask, bool looked_up) {
  StepFacts out;
  out.input_known = input_known;
  out.nothing_to_ask = nothing_to_ask;
  out.looked_up = looked_up;
  return out;
}
StepFacts unknown() { return {}; }                       // its input is not there yet
StepFacts fresh() { return facts(true, false, false); }  // its checkpoint was not looked for
StepFacts open() { return facts(true, false, true); }    // there is none
StepFacts nothing() { return facts(true, true, true); }  // and there is nothing to ask about
StepFacts done(std::optional<ImageSize> size = kSize) { return {true, false, true, true, size}; }
StepFacts guessed(ImageSize size = kSize) { return {true, false, true, true, size, true}; }

struct Case {
  const char* name;
  StepFacts extraction, grounding;
  ImageState image;
  StepSet steps;
  bool guesses;
  const char* need;
  StepSet ahead;  // requests
};

const Case kCases[] = {
    {"a new record", fresh(), unknown(), kThere, kBoth, false, "look up 0", kBoth},
    {"no checkpoint", open(), unknown(), kThere, kBoth, false, "ask 0", kBoth},
    {"a blank caption", nothing(), unknown(), kThere, kBoth, false, "settle 0", {}},
    {"a blank caption, step 0 alone", nothing(), unknown(), kThere, kFirst, false, "settle 0", {}},
    {"expressions found", done(), fresh(), kThere, kBoth, false, "look up 1", kSecond},
    {"expressions to be grounded", done(), open(), kThere, kBoth, false, "ask 1", kSecond},
    {"no expressions", done(), nothing(), kThere, kBoth, false, "settle 1", {}},
    {"all done", done(), done(), kThere, kBoth, false, "none", {}},
    {"step 0 alone, done", done(), fresh(), kThere, kFirst, false, "none", {}},
    {"step 1 alone", unknown(), fresh(), kThere, kSecond, false, "look up 1", kSecond},
    {"step 1 alone, to be asked", unknown(), open(), kThere, kSecond, false, "ask 1", kSecond},
    {"step 1 alone, no expressions", unknown(), nothing(), kThere, kSecond, false, "settle 1", {}},
    {"step 1 alone, done", unknown(), done(), kThere, kSecond, false, "none", {}},

    {"boxes whose expressions are gone", open(), done(), kThere, kBoth, false, "drop 1", kBoth},

    {"another image, step 0", done(kOther), fresh(), kThere, kFirst, false, "resize 0", {}},
    {"another image, both: boxes first",
     done(kOther),
     done(kOther),
     kThere,
     kBoth,
     false,
     "drop 1",
     {}},
    {"another image, boxes gone", done(kOther), open(), kThere, kBoth, false, "resize 0", kSecond},
    {"another image, step 1 alone", unknown(), done(kOther), kThere, kSecond, false, "drop 1", {}},
    {"another image that cannot be decoded",
     done(),
     done(kOther),
     kUndecodable,
     kBoth,
     false,
     "drop 1",
     {}},
    {"finished, and the image is gone", done(), done(), kMissing, kBoth, false, "none", {}},
    {"finished, gone, the record states another size",
     done(kOther),
     done(kOther),
     kMissing,
     kBoth,
     false,
     "none",
     {}},

    {"the stock pipeline's, without a size", done(std::nullopt), open(), kThere, kBoth, false,
     "resize 0", kSecond},
    {"the same, and the image is gone", done(std::nullopt), open(), kMissing, kBoth, false,
     "resize 0", kSecond},
    {"boxes of an older version, without a size",
     done(),
     done(std::nullopt),
     kThere,
     kBoth,
     false,
     "none",
     {}},

    {"a stated size, and the image is there now",
     guessed(),
     done(),
     kThere,
     kBoth,
     false,
     "resize 0",
     {}},
    {"a stated size that has changed",
     guessed(kOther),
     done(),
     kMissing,
     kBoth,
     false,
     "resize 0",
     {}},
    {"a stated size, still missing", guessed(), done(), kMissing, kBoth, false, "none", {}},
    {"guessed boxes, still missing", guessed(), guessed(), kMissing, kBoth, true, "none", {}},
    {"guessed boxes, guesses no longer wanted",
     guessed(),
     guessed(),
     kMissing,
     kBoth,
     false,
     "drop 1",
     {}},
    {"guessed boxes, another stated size",
     guessed(kOther),
     guessed(kOther),
     kMissing,
     kBoth,
     true,
     "drop 1",
     {}},
    {"guessed boxes, and the image is there now",
     done(),
     guessed(),
     kThere,
     kBoth,
     true,
     "drop 1",
     {}},
    {"guessed boxes, an image that cannot be decoded",
     done(),
     guessed(),
     kUndecodable,
     kBoth,
     true,
     "none",
     {}},
};

RecordFacts facts_of(const Case& c) {
  RecordFacts out;
  out.steps[Step::kExtraction] = c.extraction;
  out.steps[Step::kGrounding] = c.grounding;
  return out;
}

TEST(RecordState, SaysWhatIsNeededNext) {
  for (const Case& c : kCases) {
    const RecordRules rules{c.steps, c.guesses};
    EXPECT_EQ(to_text(next_need(facts_of(c), c.image, rules)), c.need) << c.name;
    EXPECT_EQ(requests_ahead(facts_of(c), rules), c.ahead) << c.name;
  }
}

TEST(RecordState, AFailedRecordNeedsNothing) {
  for (const Case& c : kCases) {
    RecordFacts facts = facts_of(c);
    facts.failed = true;
    const RecordRules rules{c.steps, c.guesses};
    EXPECT_EQ(next_need(facts, c.image, rules), Need{}) << c.name;
    EXPECT_FALSE(next_look_up(facts, rules)) << c.name;
    EXPECT_TRUE(requests_ahead(facts, rules).empty()) << c.name;
    EXPECT_TRUE(is_finished(facts, rules)) << c.name;
  }
}

TEST(RecordState, IsFinishedWithAResultOfEachStep) {
  for (const Case& c : kCases) {
    const RecordRules rules{c.steps, c.guesses};
    const bool all = (!c.steps.contains(Step::kExtraction) || c.extraction.has_result) &&
                     (!c.steps.contains(Step::kGrounding) || c.grounding.has_result);
    EXPECT_EQ(is_finished(facts_of(c), rules), all) << c.name;
    EXPECT_EQ(has_all_results(facts_of(c), rules), all) << c.name;
  }
}

// What the action leaves behind.
void act(const Need& need, const ImageState& image, RecordFacts& facts) {
  StepFacts& step = facts.steps[need.step];
  const bool missing = !image.readable;
  if (need.action == Action::kLookUp) step.looked_up = true;
  if (need.action == Action::kDrop) step.has_result = false;
  if (need.action == Action::kResize) step.size = image.upright, step.without_image = missing;
  if (need.action == Action::kSettle) {
    step.has_result = true;
    step.size = image.upright;
    step.without_image = missing && need.step == Step::kExtraction;
    if (need.step == Step::kExtraction) facts.steps[Step::kGrounding] = nothing();
  }
}

TEST(RecordState, ComesToAnEnd) {
  for (const Case& c : kCases) {
    RecordFacts facts = facts_of(c);
    const RecordRules rules{c.steps, c.guesses};
    Need need = next_need(facts, c.image, rules);
    constexpr int kMaxActions = 2 * 4;  // each once for each step
    int actions = 0;
    while (need.action != Action::kNone && need.action != Action::kAsk) {
      ASSERT_LT(actions++, kMaxActions) << c.name;
      act(need, c.image, facts);
      need = next_need(facts, c.image, rules);
    }
    EXPECT_EQ(need.action == Action::kNone, requests_ahead(facts, rules).empty()) << c.name;
  }
}

}  // namespace
}  // namespace alig
