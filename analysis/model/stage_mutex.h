// A lock between a stage and those who question it, under which questions never queue up before the stage.
//
// With an ordinary mutex someone who takes it again at once gets it again, and the stage waits as long as there are questions.
// Here the stage waits for the one question that is being answered. So a long answer is given in parts, with the lock given back
// between them.
#pragma once

#include <mutex>

namespace parallax {

class StageMutex {
 public:
  // While it lives the stage has what is locked.
  class Stage {
   public:
    explicit Stage(StageMutex& mutex) {
      const std::lock_guard next(mutex.next_);
      held_ = std::unique_lock(mutex.held_);
    }

   private:
    std::unique_lock<std::mutex> held_;
  };
  class Question {
   public:
    explicit Question(StageMutex& mutex) : one_(mutex.questions_) {
      const std::lock_guard next(mutex.next_);
      held_ = std::unique_lock(mutex.held_);
    }

   private:
    std::unique_lock<std::mutex> one_, held_;  // given back last to first
  };

 private:
  std::mutex held_;
  std::mutex next_;       // whoever has it is the next to hold; never kept for longer than one question
  std::mutex questions_;  // so that only one question can be before the stage
};

}  // namespace parallax
