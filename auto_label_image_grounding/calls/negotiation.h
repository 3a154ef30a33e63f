// Which optional parts of a request an endpoint takes, and in which form: found out by trying. No
// clock, no network; belongs to one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/vlm/request_form.h"

namespace alig {

// What is known about an endpoint; kept for the next run.
struct NegotiatedFacts {
  RequestForm form;  // in which requests are sent
  // What has been taken: a part (or a value of it) in a form.
  struct Taken {
    RequestPart part = RequestPart::kTemperature;
    std::size_t form = 0;
    std::string value;
    auto operator<=>(const Taken&) const = default;
  };
  std::set<Taken> taken;
};

// A request is sent with every part in its preferred form. If it is refused, and something in it
// has never been taken, one request at a time tries other forms: first another one of the part that
// the refusal names, then a request without any optional part. If that helps, the following
// requests try the parts again, one by one. All others wait meanwhile. The words of a refusal
// decide nothing but the order.
class Negotiation {
 public:
  using Parts = std::vector<OptionalPart>;

  // At most so many requests at once of which nobody knows whether their form is taken, and at most
  // so many refused ones for all attempts together.
  static constexpr int kUnprovenAtOnce = 4;
  static constexpr int kMaxRefusals = 8;

  // Of an admitted request: pass it to exactly one of accepted(), refused() and inconclusive().
  struct Ticket {
    Parts parts;
    RequestForm form;
    bool trial = false;
    bool unproven = false;  // something in it has never been taken
  };

  explicit Negotiation(NegotiatedFacts known = {}) : facts_(std::move(known)) {}

  // How a request with these parts is to be sent now; nothing: it has to wait for others to end.
  std::optional<Ticket> admit(Parts parts);

  void accepted(const Ticket& ticket);
  // `words`: what the refusal says. True: the request is to be sent again, in the form that admit()
  // gives then. False: its form is not to blame.
  bool refused(const Ticket& ticket, std::string_view words);
  // Neither: there was no answer, or one that says nothing about the form.
  void inconclusive(const Ticket& ticket);

  // What the endpoint turned out not to take, in words; each is returned once.
  std::vector<std::string> take_news() { return std::exchange(news_, {}); }
  const NegotiatedFacts& facts() const { return facts_; }
  // The parts that were left out in vain, when the last attempt found no other form to help; the
  // spec's keys of them are part of it. Empty: there was none.
  const Parts& tried_in_vain() const { return tried_in_vain_; }

 private:
  enum class Trial { kNone, kNamedPart, kWithoutAll, kOnePartAgain };

  bool is_proven(const OptionalPart& part, const RequestForm& form) const;
  Parts unproven(const Parts& parts, const RequestForm& form) const;
  std::size_t next_form(const OptionalPart& part, std::size_t from) const;
  bool concerns_trial(const Parts& parts) const;

  void begin_search(const Ticket& ticket, std::string_view words);
  void choose_trial(const Parts& open, std::string_view words);
  void retry_suspect(const Parts& parts);
  bool on_trial_refused(const Ticket& ticket, std::string_view words);
  void on_trial_accepted();
  void settle(const OptionalPart& part, std::size_t form);
  void end_search(const RequestForm& form);
  bool is_exhausted() const { return refusals_ >= kMaxRefusals; }

  NegotiatedFacts facts_;
  RequestForm original_;  // before the search
  Parts blamed_;          // what the search changes

  Trial trial_ = Trial::kNone;
  bool under_trial_ = false;  // its request is under way
  RequestForm tried_;
  Parts suspects_;  // left out, to be tried again one by one
  std::set<std::pair<RequestPart, std::size_t>> refused_forms_;

  bool innocent_ = false;  // the form was cleared, and nothing was accepted since
  int unproven_under_way_ = 0;
  int refusals_ = 0;
  std::vector<std::string> news_;
  Parts tried_in_vain_;
};

}  // namespace alig
