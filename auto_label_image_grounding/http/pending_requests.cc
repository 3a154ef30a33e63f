#include "auto_label_image_grounding/http/pending_requests.h"

namespace alig {

PendingRequest::~PendingRequest() {
  try {
    fail(TransportFault::Kind::kOther, "the transport ended before the request was sent");
  } catch (...) {  // a destructor cannot report it
  }
}

void PendingRequest::finish(HttpOutcome outcome) {
  const HttpTransport::Done done = std::exchange(done_, nullptr);
  if (done) done(std::move(outcome));
}

void PendingRequest::fail(TransportFault::Kind kind, std::string message) {
  finish(tl::unexpected<TransportFault>(TransportFault{kind, std::move(message)}));
}

bool RequestInbox::add(PendingRequest request) {
  const std::lock_guard lock(mutex_);
  mail_.sent.push_back(std::move(request));
  arrived_.notify_one();
  return mail_.sent.size() == 1;
}

void RequestInbox::cancel() {
  const std::lock_guard lock(mutex_);
  mail_.cancel = true;
  mail_.cancelled = mail_.sent.size();
  arrived_.notify_one();
}

void RequestInbox::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  arrived_.notify_one();
}

RequestInbox::Mail RequestInbox::take() {
  const std::lock_guard lock(mutex_);
  return take_locked();
}

RequestInbox::Mail RequestInbox::wait() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [&] { return stopped_ || mail_.cancel || !mail_.sent.empty(); });
  return take_locked();
}

RequestInbox::Mail RequestInbox::take_locked() {
  Mail mail = std::exchange(mail_, Mail{});
  mail.stop = stopped_;
  return mail;
}

}  // namespace alig
