//! The body of a function: statements, instructions, operands.

use super::Parser;
use crate::ptx::lexer::Token;
use crate::ptx::syntax::{Instruction, Operand, Space, Statement};
use crate::ptx::types::Ty;

impl<'a> Parser<'a> {
    pub(super) fn body(&mut self) -> Result<Vec<Statement<'a>>, String> {
        let (mut body, mut depth) = (Vec::new(), 0);
        loop {
            if self.accept('{') {
                depth += 1;
                body.push(Statement::Open);
            } else if self.accept('}') {
                if depth == 0 {
                    return Ok(body);
                }
                depth -= 1;
                body.push(Statement::Close);
            } else if !self.accept(';') {
                self.statement(&mut body)?;
            }
        }
    }

    fn statement(&mut self, body: &mut Vec<Statement<'a>>) -> Result<(), String> {
        let line = self.line();
        if self.accept('@') {
            let negated = self.accept('!');
            let guard = Some((self.word()?, negated));
            body.push(Statement::Instruction(self.instruction(guard, line)?));
            return Ok(());
        }
        let word = self.word()?;
        match word {
            ".reg" => self.registers(body)?,
            ".shared" | ".local" | ".param" => {
                let space = match word {
                    ".shared" => Space::Shared,
                    ".local" => Space::Local,
                    _ => Space::Param,
                };
                body.extend(self.variables(space)?.into_iter().map(Statement::Variable));
            }
            ".loc" => {
                let (file, line) = (self.int()? as u32, self.int()? as u32);
                self.int()?;
                // `, function_name label+n, inlined_at file line column`.
                while self.accept(',') {
                    let attribute = self.word()?;
                    if attribute == "inlined_at" {
                        for _ in 0..3 {
                            self.int()?;
                        }
                    } else {
                        self.word()?;
                        if self.accept('+') {
                            self.int()?;
                        }
                    }
                }
                body.push(Statement::Place { file, line });
                return Ok(());
            }
            ".pragma" => {
                self.next()?;
                while self.accept(',') {
                    self.next()?;
                }
            }
            ".branchtargets" | ".calltargets" | ".callprototype" => {
                let Some(Statement::Label(label)) = body.last().cloned() else {
                    return self.error(format!("`{word}` without a label"));
                };
                if word != ".branchtargets" {
                    return self.error("indirect calls");
                }
                let mut targets = vec![self.word()?];
                while self.accept(',') {
                    targets.push(self.word()?);
                }
                body.push(Statement::Targets { label, targets });
            }
            _ if self.accept(':') => {
                body.push(Statement::Label(word));
                return Ok(());
            }
            _ if word.starts_with('.') => {
                return self.error(format!("directive `{word}`"));
            }
            _ => {
                self.at -= 1;
                body.push(Statement::Instruction(self.instruction(None, line)?));
                return Ok(());
            }
        }
        self.expect(';')
    }

    fn registers(&mut self, body: &mut Vec<Statement<'a>>) -> Result<(), String> {
        let Some(ty) = self.word()?.strip_prefix('.').and_then(Ty::parse) else {
            self.at -= 1;
            return self.unexpected("a type of register");
        };
        loop {
            let name = self.word()?;
            let mut count = None;
            if self.accept('<') {
                count = Some(self.int()? as u32);
                self.expect('>')?;
            }
            body.push(Statement::Registers { name, ty, count });
            if !self.accept(',') {
                return Ok(());
            }
        }
    }

    fn instruction(
        &mut self,
        guard: Option<(&'a str, bool)>,
        line: u32,
    ) -> Result<Instruction<'a>, String> {
        let opcode = self.word()?;
        let mut operands = Vec::new();
        while !self.accept(';') {
            if !operands.is_empty() {
                self.expect(',')?;
            }
            operands.push(self.operand()?);
        }
        Ok(Instruction { guard, opcode, operands, line })
    }

    fn operand(&mut self) -> Result<Operand<'a>, String> {
        if self.accept('{') {
            return Ok(Operand::Vector(self.operands('}')?));
        }
        if self.accept('(') {
            return Ok(Operand::List(self.operands(')')?));
        }
        if self.accept('!') {
            return Ok(Operand::Not(self.word()?));
        }
        if self.accept('[') {
            let mut base = None;
            let mut offset = 0_i64;
            if let Some(Token::Word(word)) = self.peek() {
                self.at += 1;
                base = Some(word);
                if self.accept('+') {
                    offset = self.int()? as i64;
                } else if self.accept('-') {
                    offset = (self.int()? as i64).wrapping_neg();
                }
            } else {
                offset = self.int()? as i64;
            }
            self.expect(']')?;
            return Ok(Operand::Address(base, offset));
        }
        match self.peek() {
            Some(Token::F32(bits)) => {
                self.at += 1;
                Ok(Operand::F32(bits))
            }
            Some(Token::F64(bits)) => {
                self.at += 1;
                Ok(Operand::F64(bits))
            }
            Some(Token::Word(word)) => {
                self.at += 1;
                if self.accept('|') {
                    Ok(Operand::Pair(word, self.word()?))
                } else if self.accept('+') {
                    Ok(Operand::Sum(word, self.int()? as i64))
                } else {
                    Ok(Operand::Word(word))
                }
            }
            _ => Ok(Operand::Int(self.int()?)),
        }
    }

    fn operands(&mut self, end: char) -> Result<Vec<Operand<'a>>, String> {
        let mut found = Vec::new();
        while !self.accept(end) {
            if !found.is_empty() {
                self.expect(',')?;
            }
            found.push(self.operand()?);
        }
        Ok(found)
    }
}
