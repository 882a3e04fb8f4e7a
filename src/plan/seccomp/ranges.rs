//! What is put before a compiled program: the calls that are answered alike whatever their arguments are, as
//! ranges of numbers that are searched by halving. The kernel goes through a filter once for each of its
//! calls when it is installed, to remember such answers: by a list of comparisons, one after the other, that
//! takes a millisecond (measured).

use super::Instruction;

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
/// Where `struct seccomp_data` has the architecture.
const ARCHITECTURE: u32 = 4;
/// Jumps are by at most so many instructions.
const FARTHEST: usize = 250;

/// The architecture's number in audit(7).
const OWN: u32 = if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };

/// Answers these numbers of the own architecture, each with its action, and goes on behind its end with all
/// others. Nothing where they would be too many ranges. `answers` are sorted, none twice.
pub(super) fn prefix(answers: &[(u32, u32)]) -> Vec<Instruction> {
    let ranges = Ranges::of(answers);
    let (comparisons, actions) = (ranges.from.len(), ranges.actions.len());
    // Each range is one comparison with where it begins; behind them are the answers.
    if comparisons == 0 || comparisons + actions + 1 > FARTHEST {
        return Vec::new();
    }
    let behind = comparisons + actions;
    let mut made = vec![
        Instruction { code: LOAD, jump_true: 0, jump_false: 0, operand: ARCHITECTURE },
        Instruction { code: JUMP_IF_EQUAL, jump_true: 0, jump_false: near(behind + 1), operand: OWN },
        Instruction { code: LOAD, jump_true: 0, jump_false: 0, operand: 0 },
    ];
    let mut searched = Vec::with_capacity(comparisons);
    ranges.search(0, comparisons, &mut searched);
    made.extend(searched);
    let answer = |action: &u32| Instruction { code: RETURN, jump_true: 0, jump_false: 0, operand: *action };
    made.extend(ranges.actions.iter().map(answer));
    made
}

/// All numbers, in ranges that are answered alike.
struct Ranges {
    /// Where each begins, and its answer: a position in `actions`, or none. What is below the first has none.
    from: Vec<(u32, Option<usize>)>,
    actions: Vec<u32>,
}

impl Ranges {
    fn of(answers: &[(u32, u32)]) -> Self {
        let mut ranges = Self { from: Vec::new(), actions: Vec::new() };
        let mut next = 0;
        for (number, action) in answers {
            if *number > next {
                ranges.begin(next, None);
            }
            let position = ranges.actions.iter().position(|other| other == action);
            let position = position.unwrap_or_else(|| {
                ranges.actions.push(*action);
                ranges.actions.len() - 1
            });
            ranges.begin(*number, Some(position));
            next = number.saturating_add(1);
        }
        ranges.begin(next, None);
        ranges
    }

    fn begin(&mut self, number: u32, answer: Option<usize>) {
        if self.from.last().and_then(|(_, last)| *last) != answer {
            self.from.push((number, answer));
        }
    }

    /// The comparisons for the ranges from `low` to below `high`, each before those that follow from it.
    fn search(&self, low: usize, high: usize, made: &mut Vec<Instruction>) {
        let middle = low.midpoint(high);
        let Some((boundary, _)) = self.from.get(middle) else { return };
        let own = made.len();
        made.push(Instruction { code: JUMP_IF_AT_LEAST, jump_true: 0, jump_false: 0, operand: *boundary });
        let below = self.target(low, middle, made);
        let above = self.target(middle + 1, high, made);
        if let Some(comparison) = made.get_mut(own) {
            comparison.jump_false = near(below - own - 1);
            comparison.jump_true = near(above - own - 1);
        }
    }

    /// Where it goes on between these boundaries: with further comparisons, an answer, or behind all.
    fn target(&self, low: usize, high: usize, made: &mut Vec<Instruction>) -> usize {
        if low < high {
            let here = made.len();
            self.search(low, high, made);
            return here;
        }
        let last = low.checked_sub(1).and_then(|last| self.from.get(last));
        let answer = last.and_then(|(_, answer)| *answer);
        self.from.len() + answer.unwrap_or(self.actions.len())
    }
}

fn near(distance: usize) -> u8 {
    u8::try_from(distance).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// What becomes of a number: the answer, or `None` where it goes on behind the end.
    fn run(program: &[Instruction], architecture: u32, number: u32) -> Option<u32> {
        let (mut at, mut loaded) = (0, 0);
        while let Some(instruction) = program.get(at) {
            at += 1;
            let jump =
                |holds| usize::from(if holds { instruction.jump_true } else { instruction.jump_false });
            match instruction.code {
                LOAD => loaded = if instruction.operand == 0 { number } else { architecture },
                JUMP_IF_EQUAL => at += jump(loaded == instruction.operand),
                JUMP_IF_AT_LEAST => at += jump(loaded >= instruction.operand),
                RETURN => return Some(instruction.operand),
                other => panic!("{other:#x}"),
            }
        }
        assert_eq!(at, program.len(), "it ends right behind the program");
        None
    }

    #[test]
    fn exactly_the_numbers_are_answered() {
        let sets: [&[u32]; 6] =
            [&[0], &[0, 1, 2], &[5], &[1, 2, 7, 8, 9, 20], &[3, 5, 7, 9, 11, 13, 15], &[0, 459]];
        let alike = |number: &u32| (*number, 77);
        let not_alike = |number: &u32| (*number, if number % 4 < 2 { 77 } else { 78 });
        let alike = sets.map(|numbers| numbers.iter().map(alike).collect());
        let all: [BTreeMap<u32, u32>; 6] = sets.map(|numbers| numbers.iter().map(not_alike).collect());
        for answers in alike.into_iter().chain(all) {
            let program =
                prefix(&answers.iter().map(|(number, answer)| (*number, *answer)).collect::<Vec<_>>());
            for number in (0..500).chain([0x4000_0000, 0x4000_0001, u32::MAX]) {
                let expected = answers.get(&number).copied();
                assert_eq!(run(&program, OWN, number), expected, "{number} of {answers:?}");
                assert_eq!(run(&program, 0x4000_0003, number), None, "i386");
            }
        }
    }

    #[test]
    fn too_many_ranges_are_left_to_the_program_behind() {
        assert_eq!(prefix(&(0..200).map(|number| (number * 2, 77)).collect::<Vec<_>>()), []);
        assert_eq!(prefix(&[]), []);
    }
}
