#include "auto_label_image_grounding/calls/negotiation.h"

#include <algorithm>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

using Parts = Negotiation::Parts;

bool contains(const Parts& parts, RequestPart part) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const OptionalPart& known) { return known.part == part; });
}

void add(Parts& parts, const OptionalPart& part) {
  if (!contains(parts, part.part)) parts.push_back(part);
}

// Whether a refusal, in lower case, mentions a form by one of its words.
bool mentions(std::string_view words, const std::string& form) {
  std::size_t begin = 0;
  while (begin < form.size()) {
    const std::size_t end = std::min(form.find(' ', begin), form.size());
    if (words.find(ascii_lower(form.substr(begin, end - begin))) != words.npos) return true;
    begin = end + 1;
  }
  return false;
}

std::string describe(const OptionalPart& part, std::size_t from, std::size_t to) {
  const std::string refused = fmt::format("the endpoint does not take {}", part.forms[from]);
  return to < part.left_out()
             ? fmt::format("{}: sent as {} from then on ({})", refused, part.forms[to], part.key)
             : fmt::format("{}: left out from then on ({})", refused, part.key);
}

}  // namespace

bool Negotiation::is_proven(const OptionalPart& part, const RequestForm& form) const {
  const std::size_t chosen = form[part.part];
  return chosen >= part.left_out() || facts_.taken.contains({part.part, chosen, part.value});
}

Parts Negotiation::unproven(const Parts& parts, const RequestForm& form) const {
  Parts out;
  for (const OptionalPart& part : parts) {
    if (!is_proven(part, form)) out.push_back(part);
  }
  return out;
}

std::size_t Negotiation::next_form(const OptionalPart& part, std::size_t from) const {
  while (from < part.left_out() && refused_forms_.contains({part.part, from})) ++from;
  return from;
}

bool Negotiation::concerns_trial(const Parts& parts) const {
  if (trial_ == Trial::kOnePartAgain) return contains(parts, suspects_.front().part);
  return std::any_of(blamed_.begin(), blamed_.end(),
                     [&](const OptionalPart& part) { return contains(parts, part.part); });
}

std::optional<Negotiation::Ticket> Negotiation::admit(Parts parts) {
  if (under_trial_) return std::nullopt;
  if (trial_ == Trial::kNone) retry_suspect(parts);
  Ticket ticket{std::move(parts), facts_.form, false, false};
  ticket.trial = trial_ != Trial::kNone && concerns_trial(ticket.parts);
  if (ticket.trial) ticket.form = tried_;
  ticket.unproven = !unproven(ticket.parts, ticket.form).empty();
  if (ticket.unproven && !ticket.trial && unproven_under_way_ >= kUnprovenAtOnce) {
    return std::nullopt;
  }
  under_trial_ = ticket.trial;
  unproven_under_way_ += ticket.unproven ? 1 : 0;
  return ticket;
}

void Negotiation::accepted(const Ticket& ticket) {
  unproven_under_way_ -= ticket.unproven ? 1 : 0;
  innocent_ = false;
  for (const OptionalPart& part : ticket.parts) {
    const std::size_t form = ticket.form[part.part];
    if (form < part.left_out()) facts_.taken.insert({part.part, form, part.value});
  }
  if (ticket.trial) {
    under_trial_ = false;
    if (trial_ != Trial::kNone) on_trial_accepted();
  } else if (trial_ != Trial::kNone && unproven(blamed_, original_).empty()) {
    end_search(original_);  // it was not the form that was refused
  }
}

bool Negotiation::refused(const Ticket& ticket, std::string_view words) {
  const Parts open = unproven(ticket.parts, ticket.form);
  unproven_under_way_ -= ticket.unproven ? 1 : 0;
  if (ticket.unproven) ++refusals_;
  if (ticket.trial) {
    under_trial_ = false;
    if (trial_ != Trial::kNone) return on_trial_refused(ticket, words);
  }
  if (trial_ != Trial::kNone) return !open.empty();  // it waits for the verdict
  const bool outdated = std::any_of(ticket.parts.begin(), ticket.parts.end(), [&](const auto& it) {
    const std::size_t sent = ticket.form[it.part];
    return sent < it.left_out() && sent != facts_.form[it.part];
  });
  if (outdated) return true;
  if (open.empty() || innocent_ || is_exhausted()) return false;
  begin_search(ticket, words);
  return true;
}

void Negotiation::inconclusive(const Ticket& ticket) {
  unproven_under_way_ -= ticket.unproven ? 1 : 0;
  if (ticket.trial) under_trial_ = false;
}

void Negotiation::begin_search(const Ticket& ticket, std::string_view words) {
  original_ = tried_ = facts_.form;
  blamed_.clear();
  suspects_.clear();
  refused_forms_.clear();
  choose_trial(unproven(ticket.parts, ticket.form), words);
}

void Negotiation::choose_trial(const Parts& open, std::string_view words) {
  const std::string lower = ascii_lower(words);
  const auto named = std::find_if(open.begin(), open.end(), [&](const OptionalPart& part) {
    return mentions(lower, part.forms[tried_[part.part]]);
  });
  if (named != open.end()) {
    trial_ = Trial::kNamedPart;
    add(blamed_, *named);
    tried_.choose(named->part, tried_[named->part] + 1);
    return;
  }
  trial_ = Trial::kWithoutAll;
  for (const OptionalPart& part : open) add(blamed_, part);
  for (const OptionalPart& part : blamed_) tried_.choose(part.part, part.left_out());
}

bool Negotiation::on_trial_refused(const Ticket& ticket, std::string_view words) {
  switch (trial_) {
    case Trial::kNamedPart:
      if (is_exhausted()) break;
      choose_trial(unproven(ticket.parts, ticket.form), words);
      return true;
    case Trial::kOnePartAgain: {
      const OptionalPart part = suspects_.front();
      refused_forms_.insert({part.part, tried_[part.part]});
      trial_ = Trial::kNone;
      return true;
    }
    case Trial::kWithoutAll:
    case Trial::kNone:
      break;
  }
  tried_in_vain_ = blamed_;
  innocent_ = true;
  end_search(original_);
  return false;
}

void Negotiation::on_trial_accepted() {
  tried_in_vain_.clear();
  const Trial trial = std::exchange(trial_, Trial::kNone);
  if (trial == Trial::kOnePartAgain) {
    const OptionalPart part = suspects_.front();
    return settle(part, tried_[part.part]);
  }
  facts_.form = tried_;
  if (trial == Trial::kWithoutAll) {
    suspects_ = blamed_;
    // One that cannot be anything but the reason is not tried in that form again.
    if (suspects_.size() == 1) {
      const OptionalPart& only = suspects_.front();
      refused_forms_.insert({only.part, original_[only.part]});
    }
    return;
  }
  const Parts blamed = blamed_;
  for (const OptionalPart& part : blamed) settle(part, tried_[part.part]);
}

// The next suspect that such a request carries is tried again; one without another form, or beyond
// the limit, stays out.
void Negotiation::retry_suspect(const Parts& parts) {
  while (!suspects_.empty() && contains(parts, suspects_.front().part)) {
    const OptionalPart part = suspects_.front();
    const bool only_one_left = suspects_.size() == 1 && refused_forms_.empty();
    if (only_one_left) refused_forms_.insert({part.part, original_[part.part]});
    const std::size_t form = next_form(part, original_[part.part]);
    if (form < part.left_out() && !is_exhausted()) {
      tried_ = facts_.form;
      tried_.choose(part.part, form);
      trial_ = Trial::kOnePartAgain;
      return;
    }
    settle(part, part.left_out());
  }
}

void Negotiation::settle(const OptionalPart& part, std::size_t form) {
  facts_.form.choose(part.part, form);
  std::erase_if(suspects_, [&](const OptionalPart& known) { return known.part == part.part; });
  const std::size_t original = original_[part.part];
  if (form != original) news_.push_back(describe(part, original, form));
}

void Negotiation::end_search(const RequestForm& form) {
  trial_ = Trial::kNone;
  suspects_.clear();
  facts_.form = form;
}

}  // namespace alig
