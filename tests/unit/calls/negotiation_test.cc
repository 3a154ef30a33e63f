// Negotiations with endpoints that refuse some parts of a request, with all kinds of words.
#include "auto_label_image_grounding/calls/negotiation.h"

#include <deque>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alig {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Parts = Negotiation::Parts;

Parts parts_of(const char* schema = "extraction") {
  return {{RequestPart::kTokenLimit, {"max_tokens", "max_completion_tokens"}, "key.max_tokens"},
          {RequestPart::kTemperature, {"temperature"}, "key.temperature"},
          {RequestPart::kSchema,
           {"response_format json_schema", "response_format json_object"},
           "key.structured_output",
           schema}};
}

// What a request carries, e.g. "max_tokens temperature".
std::string carried(const Parts& parts, const RequestForm& form) {
  std::string out;
  for (const OptionalPart& part : parts) {
    if (form[part.part] < part.left_out()) out += part.forms[form[part.part]] + " ";
  }
  return out;
}

// "": taken; else the words of the refusal.
using Endpoint = std::function<std::string(const std::string& carried)>;

struct Outcome {
  int answered = 0;
  int refused = 0;      // requests
  int failed = 0;       // calls
  std::string carried;  // by the last request
};

// Calls that are sent `workers` at a time; each refused one is sent again as long as the
// negotiation says so.
Outcome run_calls(Negotiation& negotiation, int calls, std::size_t workers, const Endpoint& answer,
                  const char* schema = "extraction") {
  Outcome out;
  std::deque<Negotiation::Ticket> in_flight;
  int waiting = calls;
  while (waiting > 0 || !in_flight.empty()) {
    while (waiting > 0 && in_flight.size() < workers) {
      auto ticket = negotiation.admit(parts_of(schema));
      if (!ticket) break;
      in_flight.push_back(*ticket);
      --waiting;
    }
    if (in_flight.empty()) {
      ADD_FAILURE() << "nothing is under way, and nothing may go";
      return out;
    }
    const Negotiation::Ticket ticket = in_flight.front();
    in_flight.pop_front();
    out.carried = carried(ticket.parts, ticket.form);
    const std::string refusal = answer(out.carried);
    if (refusal.empty()) {
      ++out.answered;
      negotiation.accepted(ticket);
    } else {
      ++out.refused;
      const bool again = negotiation.refused(ticket, refusal);
      ++(again ? waiting : out.failed);
    }
  }
  return out;
}

bool has(const std::string& text, const char* word) { return text.find(word) != text.npos; }

struct World {
  const char* name;
  Endpoint endpoint;
  const char* carried;  // in the end
  int refused_at_most;
};

const World kWorlds[] = {
    {"takes everything", [](const std::string&) { return ""; },
     "max_tokens temperature response_format json_schema ", 0},
    {"names one part after the other",
     [](const std::string& it) {
       if (has(it, "max_tokens")) return "Use 'max_completion_tokens', not 'max_tokens'";
       return has(it, "temperature") ? "param: temperature" : "";
     },
     "max_completion_tokens response_format json_schema ", 5},
    {"does not say which", [](const std::string& it) { return has(it, "temperature") ? "no" : ""; },
     "max_tokens response_format json_schema ", 5},
    {"refuses every schema, without a name",
     [](const std::string& it) { return has(it, "response_format") ? "invalid argument" : ""; },
     "max_tokens temperature ", 6},
    {"takes a simpler schema",
     [](const std::string& it) { return has(it, "json_schema") ? "too complex" : ""; },
     "max_tokens temperature response_format json_object ", 5},
    {"refuses two parts and names neither",
     [](const std::string& it) {
       return has(it, "temperature") || has(it, "json_") ? "bad request" : "";
     },
     "max_tokens ", 8},
    {"names the wrong part",
     [](const std::string& it) { return has(it, "temperature") ? "max_tokens?" : ""; },
     "max_tokens response_format json_schema ", 8},
    {"takes nothing optional",
     [](const std::string& it) { return it.empty() ? "" : "unknown field"; }, "", 8},
};

TEST(NegotiationTest, FindsOutWhatAnEndpointTakesWithinEightRefusals) {
  for (const World& world : kWorlds) {
    for (const std::size_t workers : {1, 2, 4, 16, 64}) {
      Negotiation negotiation;
      const Outcome out = run_calls(negotiation, 200, workers, world.endpoint);
      const auto where = std::string(world.name) + ", workers: " + std::to_string(workers);
      EXPECT_EQ(out.answered, 200) << where;
      EXPECT_EQ(out.failed, 0) << where;
      EXPECT_LE(out.refused, world.refused_at_most) << where;
      EXPECT_EQ(out.carried, world.carried) << where;
    }
  }
}

TEST(NegotiationTest, WhatIsKnownIsNotTriedAgain) {
  for (const World& world : kWorlds) {
    Negotiation first;
    run_calls(first, 200, 16, world.endpoint);
    Negotiation second(first.facts());
    const Outcome out = run_calls(second, 200, 64, world.endpoint);
    EXPECT_EQ(out.refused, 0) << world.name;
    EXPECT_EQ(out.answered, 200) << world.name;
  }
}

TEST(NegotiationTest, SaysOnceWhatItLearnt) {
  Negotiation negotiation;
  run_calls(negotiation, 20, 4, [](const std::string& it) {
    if (has(it, "max_tokens")) return "max_tokens";
    return has(it, "temperature") ? "temperature" : "";
  });
  EXPECT_THAT(negotiation.take_news(),
              ElementsAre("the endpoint does not take max_tokens: sent as max_completion_tokens "
                          "from then on (key.max_tokens)",
                          "the endpoint does not take temperature: left out from then on "
                          "(key.temperature)"));
  EXPECT_TRUE(negotiation.take_news().empty());
}

TEST(NegotiationTest, ARefusalThatNothingHelpsAgainstIsTheCallsOwn) {
  Negotiation negotiation;
  int requests = 0;
  const Outcome out = run_calls(negotiation, 50, 4,
                                [&](const std::string&) { return ++requests <= 6 ? "no" : ""; });
  EXPECT_EQ(out.answered + out.failed, 50);
  EXPECT_GE(out.failed, 1);
  EXPECT_EQ(out.carried, "max_tokens temperature response_format json_schema ")
      << "nothing is given up for it";
}

TEST(NegotiationTest, AnotherSchemaMayBeRefusedLater) {
  Negotiation negotiation;
  const auto endpoint = [](const char* refused) {
    return [refused](const std::string& it) { return has(it, refused) ? "grammar" : ""; };
  };
  EXPECT_EQ(run_calls(negotiation, 20, 4, endpoint("-")).refused, 0);
  const Outcome out = run_calls(negotiation, 20, 16, endpoint("json_schema"), "grounding");
  EXPECT_EQ(out.failed, 0);
  EXPECT_LE(out.refused, 5);
  EXPECT_THAT(out.carried, HasSubstr("temperature"));
}

TEST(NegotiationTest, WhatIsProvenIsNotSuspectedAgain) {
  Negotiation negotiation;
  run_calls(negotiation, 5, 4, [](const std::string&) { return ""; });
  const Outcome out =
      run_calls(negotiation, 1, 1, [](const std::string&) { return "temperature"; });
  EXPECT_EQ(out.failed, 1);
  EXPECT_EQ(out.refused, 1);
}

TEST(NegotiationTest, ATrialWithoutAnAnswerIsMadeAgain) {
  Negotiation negotiation;
  auto first = negotiation.admit(parts_of());
  EXPECT_TRUE(negotiation.refused(*first, "temperature"));
  auto trial = negotiation.admit(parts_of());
  ASSERT_TRUE(trial && trial->trial);
  EXPECT_FALSE(negotiation.admit(parts_of())) << "all others wait";
  negotiation.inconclusive(*trial);
  trial = negotiation.admit(parts_of());
  ASSERT_TRUE(trial && trial->trial);
  EXPECT_EQ(trial->form[RequestPart::kTemperature], 1u);
  negotiation.accepted(*trial);
  EXPECT_FALSE(negotiation.admit(parts_of())->trial);
}

}  // namespace
}  // namespace alig
